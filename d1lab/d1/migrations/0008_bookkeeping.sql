-- The audit of d1lab's writes: one row per run, table, and action.
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

-- The run whose results a table has: for each shop and report, the last run that wrote there. day
-- is the day of the results if the table has a day in its key, else ''.
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

-- The parts of the app's tables that d1lab owns. part is 'counters', which `aggregate` maintains,
-- or a result column. how is 'empty' (no values before), 'take-over', or 'left' (somebody else wrote
-- there: d1lab no longer does); run_id is the take-over's, counted_in the last aggregation's.
CREATE TABLE IF NOT EXISTS d1lab_owned (
  table_name TEXT NOT NULL,
  part TEXT NOT NULL,
  how TEXT NOT NULL CHECK (how IN ('empty', 'take-over', 'left')),
  run_id TEXT,
  since DATETIME NOT NULL,
  counted_in TEXT,
  PRIMARY KEY (table_name, part)
) WITHOUT ROWID;

-- The source of an app table's rows, per shop: 'simulated' if they were not measured;
-- reports then show that.
CREATE TABLE IF NOT EXISTS d1lab_sources (
  table_name TEXT NOT NULL,
  shop TEXT NOT NULL,
  source TEXT NOT NULL,
  PRIMARY KEY (table_name, shop)
) WITHOUT ROWID;
