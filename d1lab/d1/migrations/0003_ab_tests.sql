-- Inputs of a decision beyond the guide's counts: visitors, sums of squares, profit, the plan.
CREATE TABLE IF NOT EXISTS d1lab_ab_test_inputs (
  test_id TEXT PRIMARY KEY,
  shop TEXT NOT NULL,
  variant_a_visitors INTEGER,
  variant_b_visitors INTEGER,
  variant_a_revenue_squares REAL,
  variant_b_revenue_squares REAL,
  variant_a_discount_cost DECIMAL(10,2),
  variant_b_discount_cost DECIMAL(10,2),
  variant_a_profit DECIMAL(10,2),
  variant_b_profit DECIMAL(10,2),
  variant_a_profit_squares REAL,
  variant_b_profit_squares REAL,
  share_b REAL,
  share_declared_at DATETIME,
  primary_metric TEXT,
  method TEXT,
  alpha REAL,
  planned_visitors INTEGER,
  planned_looks INTEGER,
  planned_end DATETIME,
  guardrails JSON,
  unit TEXT,
  source TEXT
) WITHOUT ROWID;

-- Sufficient statistics per day and variant, for interim looks. covariate: sums over the day's visitors
-- of a value x measured before the test, of x * x, x * revenue, and x * profit; NULL where unknown.
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
  profit_squares REAL,
  covariate REAL,
  covariate_squares REAL,
  covariate_revenue REAL,
  covariate_profit REAL
);
CREATE UNIQUE INDEX IF NOT EXISTS ab_test_daily_key ON ab_test_daily (test_id, day, variant);

-- d1lab's decision on each test, with the reason. Only d1lab writes here.
CREATE TABLE IF NOT EXISTS d1lab_ab_test_decisions (
  test_id TEXT PRIMARY KEY,
  chance_b_better REAL,
  analysis_status TEXT,
  analysis_reason TEXT,
  analysis_method TEXT,
  analysis_version TEXT,
  analysis_look INTEGER,
  analysis_p_value REAL
) WITHOUT ROWID;
