-- Competitor prices of the shop's products, one row per price observation.
-- `d1lab ingest prices` fills it from files or from the competitors' product pages.
-- in_stock is 1, 0, or NULL (unknown); price is NULL only if an out-of-stock page shows none.
CREATE TABLE IF NOT EXISTS competitor_prices (
  shop TEXT NOT NULL,
  sku TEXT NOT NULL,
  competitor TEXT NOT NULL,
  price DECIMAL(10,2),
  currency TEXT,
  in_stock INTEGER,
  url TEXT,
  observed_at DATETIME NOT NULL,
  source TEXT
);
CREATE UNIQUE INDEX IF NOT EXISTS competitor_prices_key
  ON competitor_prices (shop, sku, competitor, observed_at);
