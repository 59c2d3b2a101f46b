-- Variants of an A/B test beyond a and b, with their totals since its start. The app writes here; a
-- and b stay in ab_test_results and d1lab_ab_test_inputs.
CREATE TABLE IF NOT EXISTS d1lab_ab_test_arms (
  test_id TEXT NOT NULL,
  variant TEXT NOT NULL CHECK (variant NOT IN ('', 'a', 'b', 'none')),
  shop TEXT NOT NULL,
  share REAL,
  visitors INTEGER,
  conversions INTEGER,
  revenue DECIMAL(10,2),
  revenue_squares REAL,
  profit DECIMAL(10,2),
  profit_squares REAL,
  PRIMARY KEY (test_id, variant)
) WITHOUT ROWID;
