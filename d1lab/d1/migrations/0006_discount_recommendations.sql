-- d1lab's recommendation for each product, and the outcome after the horizon.
-- Only d1lab writes here. decision is NULL if there is no recommendation; reason has the cause.
CREATE TABLE IF NOT EXISTS discount_recommendations (
  shop TEXT NOT NULL,
  sku TEXT NOT NULL,
  made_on DATE NOT NULL,
  decision TEXT,
  reason TEXT,
  horizon_days INTEGER,
  depth REAL,
  chance REAL,
  slope REAL,
  slope_error REAL,
  break_even_margin REAL,
  days_of_supply REAL,
  unit_price DECIMAL(10,2),
  unit_cost DECIMAL(10,2),
  regular_units REAL,
  expected_units REAL,
  expected_profit DECIMAL(10,2),
  gain DECIMAL(10,2),
  gain_low DECIMAL(10,2),
  gain_high DECIMAL(10,2),
  plan_orders INTEGER,
  plan_days INTEGER,
  scored_on DATE,
  observed_depth REAL,
  observed_units INTEGER,
  forecast_units REAL,
  observed_profit DECIMAL(10,2)
);
CREATE UNIQUE INDEX IF NOT EXISTS discount_recommendations_key
  ON discount_recommendations (shop, sku, made_on);
