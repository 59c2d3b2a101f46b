-- Which export each order's events come from: a file that is older changes nothing of it.
-- name: the order's other name (#1001); last_event_at: of the events that the file gave.
CREATE TABLE IF NOT EXISTS d1lab_orders (
  shop TEXT NOT NULL,
  order_id TEXT NOT NULL,
  name TEXT,
  exported_at DATETIME NOT NULL,
  last_event_at DATETIME,
  PRIMARY KEY (shop, order_id)
) WITHOUT ROWID;
