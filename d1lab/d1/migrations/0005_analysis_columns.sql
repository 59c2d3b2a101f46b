-- Columns that d1lab's reports write, and two that it needs to read.
ALTER TABLE ab_test_results ADD COLUMN analysis_status TEXT;
ALTER TABLE ab_test_results ADD COLUMN analysis_reason TEXT;
ALTER TABLE ab_test_results ADD COLUMN analysis_method TEXT;
ALTER TABLE ab_test_results ADD COLUMN analysis_version TEXT;
ALTER TABLE ab_test_results ADD COLUMN analysis_look INTEGER;
ALTER TABLE ab_test_results ADD COLUMN analysis_p_value REAL;
ALTER TABLE ab_test_results ADD COLUMN chance_b_better REAL;
ALTER TABLE customer_insights ADD COLUMN first_purchase_date DATETIME;
ALTER TABLE customer_insights ADD COLUMN rfm_group TEXT;
ALTER TABLE customer_insights ADD COLUMN r_score INTEGER;
ALTER TABLE customer_insights ADD COLUMN f_score INTEGER;
ALTER TABLE customer_insights ADD COLUMN m_score INTEGER;
ALTER TABLE customer_insights ADD COLUMN lifetime_value_method TEXT;
-- 'simulated' where the figures are not measured; reports then say so.
ALTER TABLE inventory_impact ADD COLUMN source TEXT;
