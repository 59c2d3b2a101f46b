-- What the last aggregation left in each table: digests of its rows by group (counts and digests as
-- JSON), so that any machine notices when somebody else writes counters. run is that aggregation.
CREATE TABLE IF NOT EXISTS d1lab_counted (
  table_name TEXT PRIMARY KEY,
  run TEXT NOT NULL,
  digests TEXT NOT NULL
) WITHOUT ROWID;
