-- The app's upserts need UNIQUE indexes; each also serves every query by shop.
-- No other index: each one adds a written row to the bill of every insert.
CREATE UNIQUE INDEX IF NOT EXISTS discount_analytics_key ON discount_analytics (shop, discount_id, sku);
CREATE UNIQUE INDEX IF NOT EXISTS daily_discount_stats_key ON daily_discount_stats (shop, date);
CREATE UNIQUE INDEX IF NOT EXISTS product_performance_key ON product_performance (shop, sku);
CREATE UNIQUE INDEX IF NOT EXISTS customer_insights_key ON customer_insights (shop, customer_id);
CREATE UNIQUE INDEX IF NOT EXISTS inventory_impact_key ON inventory_impact (shop, sku, date);
CREATE INDEX IF NOT EXISTS ab_test_results_shop ON ab_test_results (shop, started_at);
