-- What a unit costs the shop, from a day on: margins and the money in stock need it.
-- One row per change; `d1lab ingest costs` fills it from a CSV file.
-- source is 'simulated' where a unit cost is no real one; reports then say so.
CREATE TABLE IF NOT EXISTS product_costs (
  shop TEXT NOT NULL,
  sku TEXT NOT NULL,
  unit_cost DECIMAL(10,2) NOT NULL,
  valid_from DATE NOT NULL,
  source TEXT
);
CREATE UNIQUE INDEX IF NOT EXISTS product_costs_key ON product_costs (shop, sku, valid_from);
