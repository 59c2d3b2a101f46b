-- Until when the loaded exports cover a shop's orders: the day of the newest export is not complete.
CREATE TABLE IF NOT EXISTS d1lab_exports (
  shop TEXT PRIMARY KEY,
  exported_at DATETIME NOT NULL
) WITHOUT ROWID;
