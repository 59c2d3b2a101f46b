-- The unit cost of each product from a day on, for margins and the value of stock.
-- One row per change; `d1lab ingest costs` fills it from a CSV file.
-- source is 'simulated' if a unit cost is not real; reports then show that.
CREATE TABLE IF NOT EXISTS product_costs (
  shop TEXT NOT NULL,
  sku TEXT NOT NULL,
  unit_cost DECIMAL(10,2) NOT NULL,
  valid_from DATE NOT NULL,
  source TEXT
);
CREATE UNIQUE INDEX IF NOT EXISTS product_costs_key ON product_costs (shop, sku, valid_from);
