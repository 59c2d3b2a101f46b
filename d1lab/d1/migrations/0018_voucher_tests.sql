-- Voucher tests: a discount code sent to a random half of the overdue customers on a day.
-- `d1lab voucher assign` writes a test once, with the customers of both halves. Only d1lab writes here.
CREATE TABLE IF NOT EXISTS d1lab_voucher_tests (
  shop TEXT NOT NULL,
  voucher TEXT NOT NULL,
  discount_code TEXT NOT NULL,
  chosen_on DATE NOT NULL,
  sent_on DATE NOT NULL,
  window_days INTEGER NOT NULL,
  seed INTEGER NOT NULL,
  PRIMARY KEY (shop, voucher)
) WITHOUT ROWID;
-- is_sent is 0 for the half that is held out. pace is what the customer spent a year.
CREATE TABLE IF NOT EXISTS d1lab_voucher_customers (
  shop TEXT NOT NULL,
  voucher TEXT NOT NULL,
  customer_id TEXT NOT NULL,
  stratum INTEGER NOT NULL,
  is_sent INTEGER NOT NULL CHECK (is_sent IN (0, 1)),
  pace REAL,
  PRIMARY KEY (shop, voucher, customer_id)
) WITHOUT ROWID;
