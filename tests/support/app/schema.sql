-- Tables as an app keeps them that was there before d1lab: a number for each row of
-- discount_analytics, the keys that its upserts need, and an archive of the same columns.
CREATE TABLE discount_analytics (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  shop TEXT NOT NULL,
  discount_id TEXT NOT NULL,
  discount_code TEXT,
  sku TEXT NOT NULL,
  times_used INTEGER DEFAULT 0,
  revenue_before_discount DECIMAL(10,2),
  discount_amount DECIMAL(10,2),
  revenue_after_discount DECIMAL(10,2),
  unique_customers INTEGER DEFAULT 0,
  repeat_usage_count INTEGER DEFAULT 0,
  first_used_at DATETIME,
  last_used_at DATETIME,
  created_at DATETIME DEFAULT CURRENT_TIMESTAMP
);
CREATE UNIQUE INDEX one_row_per_use ON discount_analytics (shop, discount_id, sku);
CREATE INDEX uses_by_sku ON discount_analytics (sku);
CREATE INDEX uses_by_day ON discount_analytics (shop, last_used_at);

CREATE TABLE daily_discount_stats (
  shop TEXT NOT NULL,
  date DATE NOT NULL,
  total_discounts_used INTEGER DEFAULT 0,
  total_revenue_impact DECIMAL(10,2),
  unique_customers INTEGER DEFAULT 0,
  PRIMARY KEY (shop, date)
);

CREATE TABLE product_performance (
  shop TEXT NOT NULL,
  sku TEXT NOT NULL,
  product_title TEXT,
  units_sold_with_discount INTEGER DEFAULT 0,
  units_sold_without_discount INTEGER DEFAULT 0,
  total_discount_given DECIMAL(10,2),
  revenue_with_discount DECIMAL(10,2),
  revenue_without_discount DECIMAL(10,2),
  view_to_purchase_rate DECIMAL(5,2),
  cart_abandonment_rate DECIMAL(5,2),
  updated_at DATETIME DEFAULT CURRENT_TIMESTAMP,
  PRIMARY KEY (shop, sku)
);

CREATE TABLE customer_insights (
  shop TEXT NOT NULL,
  customer_id TEXT NOT NULL,
  total_discounts_used INTEGER DEFAULT 0,
  total_savings DECIMAL(10,2),
  favorite_discount_type TEXT,
  avg_order_value DECIMAL(10,2),
  purchase_frequency INTEGER,
  last_purchase_date DATE,
  customer_segment TEXT,
  lifetime_value DECIMAL(10,2),
  PRIMARY KEY (shop, customer_id)
);

CREATE TABLE ab_test_results (
  test_id TEXT PRIMARY KEY,
  shop TEXT NOT NULL,
  test_name TEXT,
  variant_a_config JSON,
  variant_b_config JSON,
  variant_a_conversions INTEGER DEFAULT 0,
  variant_b_conversions INTEGER DEFAULT 0,
  variant_a_revenue DECIMAL(10,2),
  variant_b_revenue DECIMAL(10,2),
  confidence_level DECIMAL(5,2),
  winner TEXT,
  started_at DATETIME,
  ended_at DATETIME
);

CREATE TABLE inventory_impact (
  shop TEXT NOT NULL,
  sku TEXT NOT NULL,
  date DATE NOT NULL,
  starting_inventory INTEGER,
  units_sold_with_discount INTEGER,
  units_sold_regular_price INTEGER,
  ending_inventory INTEGER,
  days_of_supply INTEGER,
  turnover_rate DECIMAL(5,2),
  PRIMARY KEY (shop, sku, date)
);

-- Retention copies rows with SELECT *: the same columns, in the same order.
CREATE TABLE analytics_archive (
  id INTEGER,
  shop TEXT,
  discount_id TEXT,
  discount_code TEXT,
  sku TEXT,
  times_used INTEGER,
  revenue_before_discount DECIMAL(10,2),
  discount_amount DECIMAL(10,2),
  revenue_after_discount DECIMAL(10,2),
  unique_customers INTEGER,
  repeat_usage_count INTEGER,
  first_used_at DATETIME,
  last_used_at DATETIME,
  created_at DATETIME
);
