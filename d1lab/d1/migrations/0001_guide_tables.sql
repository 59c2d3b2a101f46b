-- The app's six tables, as SQLite accepts them. IF NOT EXISTS: an app that has them keeps its own.
CREATE TABLE IF NOT EXISTS discount_analytics (
  shop TEXT NOT NULL,
  discount_id TEXT NOT NULL,
  discount_code TEXT,
  sku TEXT NOT NULL,
  times_used INTEGER DEFAULT 0,
  revenue_before_discount DECIMAL(10,2) DEFAULT 0,
  discount_amount DECIMAL(10,2) DEFAULT 0,
  revenue_after_discount DECIMAL(10,2) DEFAULT 0,
  unique_customers INTEGER DEFAULT 0,
  repeat_usage_count INTEGER DEFAULT 0,
  first_used_at DATETIME,
  last_used_at DATETIME,
  created_at DATETIME DEFAULT CURRENT_TIMESTAMP
);

CREATE TABLE IF NOT EXISTS daily_discount_stats (
  shop TEXT NOT NULL,
  date DATE NOT NULL,
  total_discounts_used INTEGER DEFAULT 0,
  total_revenue_impact DECIMAL(10,2) DEFAULT 0,
  unique_customers INTEGER DEFAULT 0
);

CREATE TABLE IF NOT EXISTS product_performance (
  shop TEXT NOT NULL,
  sku TEXT NOT NULL,
  product_title TEXT,
  units_sold_with_discount INTEGER DEFAULT 0,
  units_sold_without_discount INTEGER DEFAULT 0,
  total_discount_given DECIMAL(10,2) DEFAULT 0,
  revenue_with_discount DECIMAL(10,2) DEFAULT 0,
  revenue_without_discount DECIMAL(10,2) DEFAULT 0,
  view_to_purchase_rate DECIMAL(5,4),
  cart_abandonment_rate DECIMAL(5,4),
  updated_at DATETIME DEFAULT CURRENT_TIMESTAMP
);

CREATE TABLE IF NOT EXISTS customer_insights (
  shop TEXT NOT NULL,
  customer_id TEXT NOT NULL,
  total_discounts_used INTEGER DEFAULT 0,
  total_savings DECIMAL(10,2) DEFAULT 0,
  favorite_discount_type TEXT,
  avg_order_value DECIMAL(10,2),
  purchase_frequency DECIMAL(10,2),
  last_purchase_date DATETIME,
  customer_segment TEXT CHECK (customer_segment IN ('vip', 'regular', 'new')),
  lifetime_value DECIMAL(10,2)
);

CREATE TABLE IF NOT EXISTS ab_test_results (
  test_id TEXT PRIMARY KEY,
  shop TEXT NOT NULL,
  test_name TEXT,
  variant_a_config JSON,
  variant_b_config JSON,
  variant_a_conversions INTEGER DEFAULT 0,
  variant_b_conversions INTEGER DEFAULT 0,
  variant_a_revenue DECIMAL(10,2) DEFAULT 0,
  variant_b_revenue DECIMAL(10,2) DEFAULT 0,
  confidence_level DECIMAL(5,2),
  winner TEXT,
  started_at DATETIME,
  ended_at DATETIME
);

CREATE TABLE IF NOT EXISTS inventory_impact (
  shop TEXT NOT NULL,
  sku TEXT NOT NULL,
  date DATE NOT NULL,
  starting_inventory INTEGER,
  units_sold_with_discount INTEGER DEFAULT 0,
  units_sold_regular_price INTEGER DEFAULT 0,
  ending_inventory INTEGER,
  days_of_supply DECIMAL(10,2),
  turnover_rate DECIMAL(10,4)
);
