-- What the reports advise to do, for apps that show it: one row per action and day. Only d1lab writes
-- here, and only if it is asked to (`d1lab push --actions`).
-- amount: money in 30 days, or once, by period; NULL if it is not known.
CREATE TABLE IF NOT EXISTS d1lab_actions (
  shop TEXT NOT NULL,
  report TEXT NOT NULL,
  action TEXT NOT NULL,
  made_on DATE NOT NULL,
  verb TEXT,
  sentence TEXT,
  reason TEXT,
  amount DECIMAL(10,2),
  amount_low DECIMAL(10,2),
  amount_high DECIMAL(10,2),
  at_most INTEGER,
  meaning TEXT,
  period TEXT,
  currency TEXT,
  basis TEXT,
  items INTEGER,
  link TEXT
);
CREATE UNIQUE INDEX IF NOT EXISTS d1lab_actions_key
  ON d1lab_actions (shop, report, action, made_on);
