-- The guide's tables as its app declares them: columns, order, types, defaults, and indexes.
-- They contain nothing of d1lab's, so that every statement of the app works as before. IF NOT
-- EXISTS: an existing table of the app is kept; `d1lab migrate` then adds at most a UNIQUE index
-- that an upsert needs, if no key covers its columns.
CREATE TABLE IF NOT EXISTS discount_analytics (
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
CREATE INDEX IF NOT EXISTS idx_shop_discount ON discount_analytics (shop, discount_id);
CREATE INDEX IF NOT EXISTS idx_sku ON discount_analytics (sku);
CREATE INDEX IF NOT EXISTS idx_usage_date ON discount_analytics (last_used_at);
CREATE UNIQUE INDEX IF NOT EXISTS uq_shop_discount_sku ON discount_analytics (shop, discount_id, sku);
CREATE INDEX IF NOT EXISTS idx_analytics_shop_date ON discount_analytics (shop, last_used_at);

CREATE TABLE IF NOT EXISTS daily_discount_stats (
  shop TEXT NOT NULL,
  date DATE NOT NULL,
  total_discounts_used INTEGER DEFAULT 0,
  total_revenue_impact DECIMAL(10,2),
  unique_customers INTEGER DEFAULT 0,
  PRIMARY KEY (shop, date)
);

CREATE TABLE IF NOT EXISTS product_performance (
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

CREATE TABLE IF NOT EXISTS customer_insights (
  shop TEXT NOT NULL,
  customer_id TEXT NOT NULL,
  total_discounts_used INTEGER DEFAULT 0,
  total_savings DECIMAL(10,2),
  favorite_discount_type TEXT,
  avg_order_value DECIMAL(10,2),
  purchase_frequency INTEGER,
  last_purchase_date DATE,
  customer_segment TEXT, -- 'vip', 'regular', 'new'
  lifetime_value DECIMAL(10,2),
  PRIMARY KEY (shop, customer_id)
);

CREATE TABLE IF NOT EXISTS ab_test_results (
  test_id TEXT PRIMARY KEY,
  shop TEXT NOT NULL,
  test_name TEXT,
  variant_a_config JSON, -- discount rates, SKUs
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

CREATE TABLE IF NOT EXISTS inventory_impact (
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

-- The app's retention moves rows here with SELECT *, so columns and their order are the same.
CREATE TABLE IF NOT EXISTS analytics_archive (
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
