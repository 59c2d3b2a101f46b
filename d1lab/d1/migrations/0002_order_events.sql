-- Raw events: one row per order line, discounted or not, and one per refunded line.
-- Quantities and amounts are positive for both types. seq increases with each insert and is never
-- reused, so that a pull can continue from the highest one it has read.
CREATE TABLE IF NOT EXISTS order_events (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  shop TEXT NOT NULL,
  event_id TEXT NOT NULL,
  type TEXT NOT NULL CHECK (type IN ('order', 'refund')),
  order_id TEXT NOT NULL,
  customer_id TEXT,
  sku TEXT NOT NULL,
  product_title TEXT,
  quantity INTEGER NOT NULL,
  list_price DECIMAL(10,2),
  discount_id TEXT,
  discount_code TEXT,
  discount_type TEXT,
  discount_amount DECIMAL(10,2) NOT NULL DEFAULT 0,
  revenue DECIMAL(10,2) NOT NULL,
  occurred_at DATETIME NOT NULL
);
CREATE UNIQUE INDEX IF NOT EXISTS order_events_key ON order_events (shop, event_id);

-- Corrections and deletions are rare: recording each costs one written row, and saves every pull
-- from reading the whole table.
CREATE TABLE IF NOT EXISTS d1lab_changes (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  table_name TEXT NOT NULL,
  row_id INTEGER NOT NULL
);
CREATE TRIGGER IF NOT EXISTS order_events_updated AFTER UPDATE ON order_events BEGIN
  INSERT INTO d1lab_changes (table_name, row_id) VALUES ('order_events', NEW.seq);
END;
CREATE TRIGGER IF NOT EXISTS order_events_deleted AFTER DELETE ON order_events BEGIN
  INSERT INTO d1lab_changes (table_name, row_id) VALUES ('order_events', OLD.seq);
END;
