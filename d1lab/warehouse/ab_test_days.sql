-- One row per test, day, and variant. A day is simulated if its test is: D1's table has no such
-- column, but reports need it.
SELECT
    days.shop,
    days.test_id,
    days.day,
    days.variant,
    days.visitors,
    days.conversions,
    days.revenue,
    days.revenue_squares,
    days.discount_cost,
    days.profit,
    days.profit_squares,
    days.covariate,
    days.covariate_squares,
    days.covariate_revenue,
    days.covariate_profit,
    inputs.source
FROM history.ab_test_daily AS days
LEFT JOIN raw.d1lab_ab_test_inputs AS inputs USING (test_id)
WHERE NOT is_to_come(days.day)
