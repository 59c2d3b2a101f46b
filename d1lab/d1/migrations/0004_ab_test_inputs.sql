-- What a decision needs beside the guide's counts: visitors, sums of squares, profit, the plan.
ALTER TABLE ab_test_results ADD COLUMN variant_a_visitors INTEGER;
ALTER TABLE ab_test_results ADD COLUMN variant_b_visitors INTEGER;
ALTER TABLE ab_test_results ADD COLUMN variant_a_revenue_squares REAL;
ALTER TABLE ab_test_results ADD COLUMN variant_b_revenue_squares REAL;
ALTER TABLE ab_test_results ADD COLUMN variant_a_discount_cost DECIMAL(10,2);
ALTER TABLE ab_test_results ADD COLUMN variant_b_discount_cost DECIMAL(10,2);
ALTER TABLE ab_test_results ADD COLUMN variant_a_profit DECIMAL(10,2);
ALTER TABLE ab_test_results ADD COLUMN variant_b_profit DECIMAL(10,2);
ALTER TABLE ab_test_results ADD COLUMN variant_a_profit_squares REAL;
ALTER TABLE ab_test_results ADD COLUMN variant_b_profit_squares REAL;
ALTER TABLE ab_test_results ADD COLUMN share_b REAL;
ALTER TABLE ab_test_results ADD COLUMN share_declared_at DATETIME;
ALTER TABLE ab_test_results ADD COLUMN primary_metric TEXT;
ALTER TABLE ab_test_results ADD COLUMN method TEXT;
ALTER TABLE ab_test_results ADD COLUMN alpha REAL;
ALTER TABLE ab_test_results ADD COLUMN planned_visitors INTEGER;
ALTER TABLE ab_test_results ADD COLUMN planned_looks INTEGER;
ALTER TABLE ab_test_results ADD COLUMN planned_end DATETIME;
ALTER TABLE ab_test_results ADD COLUMN guardrails JSON;
ALTER TABLE ab_test_results ADD COLUMN source TEXT;

-- Sufficient statistics per day and variant: the looks.
CREATE TABLE IF NOT EXISTS ab_test_daily (
  test_id TEXT NOT NULL,
  shop TEXT NOT NULL,
  day DATE NOT NULL,
  variant TEXT NOT NULL CHECK (variant IN ('a', 'b')),
  visitors INTEGER,
  conversions INTEGER,
  revenue DECIMAL(10,2),
  revenue_squares REAL,
  discount_cost DECIMAL(10,2),
  profit DECIMAL(10,2),
  profit_squares REAL
);
CREATE UNIQUE INDEX IF NOT EXISTS ab_test_daily_key ON ab_test_daily (test_id, day, variant);
