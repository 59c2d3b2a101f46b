-- Product details, and stock by day, from `d1lab ingest products` and `d1lab ingest stock`.
CREATE TABLE IF NOT EXISTS d1lab_products (
  shop TEXT NOT NULL,
  sku TEXT NOT NULL,
  title TEXT,
  category TEXT,
  vendor TEXT,
  price DECIMAL(10,2),
  PRIMARY KEY (shop, sku)
);
CREATE TABLE IF NOT EXISTS d1lab_stock (
  shop TEXT NOT NULL,
  sku TEXT NOT NULL,
  location TEXT NOT NULL,
  date DATE NOT NULL,
  units REAL NOT NULL,
  PRIMARY KEY (shop, sku, location, date)
);
