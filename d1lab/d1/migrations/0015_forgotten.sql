-- The audit of `d1lab forget`: that somebody was forgotten, and how much; never who.
CREATE TABLE IF NOT EXISTS d1lab_forgotten (
  forgotten_at DATETIME NOT NULL PRIMARY KEY,
  kind TEXT NOT NULL CHECK (kind IN ('customer', 'shop')),
  rows_changed INTEGER NOT NULL,
  files_changed INTEGER NOT NULL,
  d1lab_version TEXT NOT NULL
) WITHOUT ROWID;
