-- Counters that the events Worker folds: all events up to seq are in them. changes is the end of
-- d1lab_changes that they reflect. state is 'on', 'paused' (while `aggregate` counts again), or
-- 'stopped' (a counted event was corrected or deleted: until the next `aggregate`).
CREATE TABLE IF NOT EXISTS d1lab_folds (
  table_name TEXT NOT NULL PRIMARY KEY,
  seq INTEGER NOT NULL,
  changes INTEGER NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('on', 'paused', 'stopped')),
  since DATETIME NOT NULL
) WITHOUT ROWID;

-- The shops' UTC offsets, from a moment on: D1 knows no time zones. shop '' is the default.
CREATE TABLE IF NOT EXISTS d1lab_offsets (
  shop TEXT NOT NULL,
  starts_at DATETIME NOT NULL,
  seconds INTEGER NOT NULL,
  PRIMARY KEY (shop, starts_at)
) WITHOUT ROWID;

-- Views and carts of each SKU on each of the shop's days, and order lines since the fold began.
CREATE TABLE IF NOT EXISTS d1lab_sku_days (
  shop TEXT NOT NULL,
  sku TEXT NOT NULL,
  date DATE NOT NULL,
  views INTEGER NOT NULL DEFAULT 0,
  carts INTEGER NOT NULL DEFAULT 0,
  order_lines INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (shop, sku, date)
) WITHOUT ROWID;

-- The IDs of views and carts of each minute, so that none counts twice; kept for 15 days.
CREATE TABLE IF NOT EXISTS d1lab_counted_minutes (
  shop TEXT NOT NULL,
  minute TEXT NOT NULL,
  event_ids TEXT NOT NULL,
  PRIMARY KEY (shop, minute)
) WITHOUT ROWID;

-- Events that the Worker rejected, each with the reason.
CREATE TABLE IF NOT EXISTS d1lab_rejected_events (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  reason TEXT NOT NULL,
  body TEXT NOT NULL,
  rejected_at DATETIME NOT NULL
);

-- The Workers of d1lab that were at work on this database, with their versions.
CREATE TABLE IF NOT EXISTS d1lab_workers (
  name TEXT NOT NULL PRIMARY KEY,
  version TEXT NOT NULL,
  seen_at DATETIME NOT NULL
) WITHOUT ROWID;
