-- One row per test and variant beyond a and b: the app's totals since the start of the test.
SELECT
    shop,
    test_id,
    variant,
    share,
    visitors,
    conversions,
    revenue,
    revenue_squares,
    profit,
    profit_squares
FROM raw.d1lab_ab_test_arms
