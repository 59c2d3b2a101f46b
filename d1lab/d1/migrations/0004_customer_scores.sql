-- Group and scores of each customer, with the key of the app's row. Only d1lab writes here.
CREATE TABLE IF NOT EXISTS d1lab_customer_scores (
  shop TEXT NOT NULL,
  customer_id TEXT NOT NULL,
  rfm_group TEXT,
  r_score INTEGER,
  f_score INTEGER,
  m_score INTEGER,
  lifetime_value_method TEXT,
  PRIMARY KEY (shop, customer_id)
) WITHOUT ROWID;
