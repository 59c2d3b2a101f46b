-- Sums over each day's visitors of a covariate x measured before the test, such as what a customer
-- had spent until then: x, x * x, x * revenue, and x * profit. NULL where it is not known.
ALTER TABLE ab_test_daily ADD COLUMN covariate REAL;
ALTER TABLE ab_test_daily ADD COLUMN covariate_squares REAL;
ALTER TABLE ab_test_daily ADD COLUMN covariate_revenue REAL;
ALTER TABLE ab_test_daily ADD COLUMN covariate_profit REAL;
