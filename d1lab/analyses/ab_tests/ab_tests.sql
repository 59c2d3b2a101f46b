-- ab_tests: A/B tests of a shop that started on or before a day, with totals and declared plan
-- unit: visitors, conversions, money      grain: shop, test_id
-- reads: ab_tests, order_lines, daily_discounts, ab_test_days
-- $until: report date
--
-- The sums are current totals; `sums_are_later` marks those that include days after $until. The
-- last day of data is the latest in any of three tables, because an app may have only some. Times
-- are local times of the shop.
WITH days AS (
    SELECT max(day) AS last_day FROM order_lines WHERE shop = $shop
    UNION ALL
    SELECT max(day) FROM daily_discounts WHERE shop = $shop
    UNION ALL
    SELECT max(day) FROM ab_test_days WHERE shop = $shop
),
data AS (
    SELECT max(last_day) AS last_day FROM days
),
local AS (
    SELECT * REPLACE (
        local_time(shop, started_at) AS started_at,
        local_time(shop, ended_at) AS ended_at,
        local_time(shop, planned_end_at) AS planned_end_at,
        local_time(shop, share_declared_at) AS share_declared_at
    )
    FROM ab_tests
    WHERE shop = $shop
),
begun AS (
    SELECT
        *,
        $until::DATE + INTERVAL 1 DAY                                AS midnight,
        coalesce(ended_at <= $until::DATE + INTERVAL 1 DAY, false)   AS ended
    FROM local
    WHERE started_at IS NULL OR started_at < $until::DATE + INTERVAL 1 DAY
),
final AS (
    SELECT
        * EXCLUDE (
            midnight, confidence_percent, winner, chance_b_better, analysis_status,
            analysis_reason, analysis_method, analysis_version, analysis_look, analysis_p_value
        ),
        coalesce(share_declared_at <= started_at, false)             AS share_declared,
        coalesce(NOT ended AND $until::DATE < last_day, false)       AS sums_are_later,
        date_diff('second', started_at, midnight)
            / nullif(date_diff('second', started_at, planned_end_at), 0)  AS elapsed
    FROM begun CROSS JOIN data
)
SELECT * EXCLUDE (last_day) FROM final ORDER BY ended, started_at DESC, test_id
