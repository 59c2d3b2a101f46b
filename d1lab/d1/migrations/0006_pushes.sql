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
