-- The audit of what d1lab wrote: one row per run, table and action.
CREATE TABLE IF NOT EXISTS d1lab_pushes (
  run_id TEXT NOT NULL,
  table_name TEXT NOT NULL,
  action TEXT NOT NULL CHECK (action IN ('push', 'rollback')),
  status TEXT NOT NULL CHECK (status IN ('started', 'done')),
  report TEXT,
  rows_staged INTEGER NOT NULL,
  rows_changed INTEGER NOT NULL,
  columns_written TEXT NOT NULL,
  d1lab_version TEXT NOT NULL,
  started_at DATETIME NOT NULL,
  finished_at DATETIME,
  PRIMARY KEY (run_id, table_name, action)
) WITHOUT ROWID;

-- Whose results a table holds: of each shop and report the run that wrote last. day is that of the
-- results where the table's rows have one in their key, else ''.
CREATE TABLE IF NOT EXISTS d1lab_results (
  table_name TEXT NOT NULL,
  shop TEXT NOT NULL,
  report TEXT NOT NULL,
  day TEXT NOT NULL,
  run_id TEXT NOT NULL,
  as_of DATE,
  digest TEXT NOT NULL,
  PRIMARY KEY (table_name, shop, report, day)
) WITHOUT ROWID;

-- What of the app's tables d1lab writes. part is 'counters', which `aggregate` keeps, or a column
-- of results. how is 'empty' (nothing was there) or 'take-over'; run_id is the take-over's.
CREATE TABLE IF NOT EXISTS d1lab_owned (
  table_name TEXT NOT NULL,
  part TEXT NOT NULL,
  how TEXT NOT NULL CHECK (how IN ('empty', 'take-over')),
  run_id TEXT,
  since DATETIME NOT NULL,
  PRIMARY KEY (table_name, part)
) WITHOUT ROWID;

-- Where the rows of an app's table come from, per shop: 'simulated' where they are not measured;
-- reports then say so.
CREATE TABLE IF NOT EXISTS d1lab_sources (
  table_name TEXT NOT NULL,
  shop TEXT NOT NULL,
  source TEXT NOT NULL,
  PRIMARY KEY (table_name, shop)
) WITHOUT ROWID;
