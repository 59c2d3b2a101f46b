-- ab_test_looks: cumulative sums of each A/B test per variant, from its start to the end of each
-- day
-- unit: visitors, conversions, money      grain: shop, test_id, day, variant      reads: ab_test_days
-- $until: last day included
-- assert: unique shop, test_id, day, variant
-- assert: visitors >= 0 AND conversions >= 0
-- assert: day <= $until::DATE
--
-- A day without a row adds nothing. A NULL value makes all sums from that day on NULL. The covariate
-- was measured before the test; see `ab_test_days`.
WITH days AS (
    SELECT * FROM ab_test_days WHERE shop = $shop AND day <= $until::DATE
),
grid AS (
    SELECT shop, test_id, day, variant
    FROM (SELECT DISTINCT shop, test_id, day FROM days)
    CROSS JOIN (VALUES ('a'), ('b')) AS variants (variant)
),
daily AS (
    SELECT
        grid.*,
        days.* EXCLUDE (shop, test_id, day, variant, source),
        days.variant IS NOT NULL AS counted
    FROM grid LEFT JOIN days USING (shop, test_id, day, variant)
),
final AS (
    SELECT
        shop,
        test_id,
        day,
        variant,
        CASE WHEN count(visitors) OVER so_far = count(*) FILTER (counted) OVER so_far
            THEN coalesce(sum(visitors) OVER so_far, 0) END          AS visitors,
        CASE WHEN count(conversions) OVER so_far = count(*) FILTER (counted) OVER so_far
            THEN coalesce(sum(conversions) OVER so_far, 0) END       AS conversions,
        CASE WHEN count(revenue) OVER so_far = count(*) FILTER (counted) OVER so_far
            THEN coalesce(sum(revenue) OVER so_far, 0) END           AS revenue,
        CASE WHEN count(revenue_squares) OVER so_far = count(*) FILTER (counted) OVER so_far
            THEN coalesce(sum(revenue_squares) OVER so_far, 0) END   AS revenue_squares,
        CASE WHEN count(profit) OVER so_far = count(*) FILTER (counted) OVER so_far
            THEN coalesce(sum(profit) OVER so_far, 0) END            AS profit,
        CASE WHEN count(profit_squares) OVER so_far = count(*) FILTER (counted) OVER so_far
            THEN coalesce(sum(profit_squares) OVER so_far, 0) END    AS profit_squares,
        CASE WHEN count(covariate) OVER so_far = count(*) FILTER (counted) OVER so_far
            THEN coalesce(sum(covariate) OVER so_far, 0) END         AS covariate,
        CASE WHEN count(covariate_squares) OVER so_far = count(*) FILTER (counted) OVER so_far
            THEN coalesce(sum(covariate_squares) OVER so_far, 0) END AS covariate_squares,
        CASE WHEN count(covariate_revenue) OVER so_far = count(*) FILTER (counted) OVER so_far
            THEN coalesce(sum(covariate_revenue) OVER so_far, 0) END AS covariate_revenue,
        CASE WHEN count(covariate_profit) OVER so_far = count(*) FILTER (counted) OVER so_far
            THEN coalesce(sum(covariate_profit) OVER so_far, 0) END  AS covariate_profit
    FROM daily
    WINDOW so_far AS (PARTITION BY test_id, variant ORDER BY day)
)
SELECT * FROM final ORDER BY test_id, day, variant
