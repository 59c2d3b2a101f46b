-- d1lab's default plan of a test that declares none, as computed from the shop's orders before its
-- start. Only d1lab writes here.
CREATE TABLE IF NOT EXISTS d1lab_ab_test_plans (
  test_id TEXT PRIMARY KEY,
  plan_days INTEGER,
  plan_orders_before INTEGER,
  plan_tuned_conversions INTEGER
) WITHOUT ROWID;
