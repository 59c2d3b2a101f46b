-- The export that each order's events come from: an older file does not change the order.
-- name: the order's other name (#1001); last_event_at: time of the last event from the file.
CREATE TABLE IF NOT EXISTS d1lab_orders (
  shop TEXT NOT NULL,
  order_id TEXT NOT NULL,
  name TEXT,
  exported_at DATETIME NOT NULL,
  last_event_at DATETIME,
  PRIMARY KEY (shop, order_id)
) WITHOUT ROWID;
