-- How many events are behind a row that `d1lab aggregate` made; NULL for the app's own counters.
-- So a row whose events were all deleted is told from one that never had any.
ALTER TABLE discount_analytics ADD COLUMN event_count INTEGER;
ALTER TABLE daily_discount_stats ADD COLUMN event_count INTEGER;
ALTER TABLE product_performance ADD COLUMN event_count INTEGER;
ALTER TABLE customer_insights ADD COLUMN event_count INTEGER;
