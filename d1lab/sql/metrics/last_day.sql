-- last_day: the first and the last day that each shop's data tells of
-- unit: days      grain: shop
-- reads: order_lines, inventory_days, daily_discounts, customers, ab_tests, ab_test_days
--
-- An app may keep only some of these tables. What is planned for later is not counted.
WITH days AS (
    SELECT shop, min(day) AS first_day, max(day) AS last_day FROM order_lines GROUP BY shop
    UNION ALL
    SELECT shop, min(day), max(day) FROM inventory_days GROUP BY shop
    UNION ALL
    SELECT shop, min(day), max(day) FROM daily_discounts GROUP BY shop
    UNION ALL
    SELECT shop, min(first_purchase_at)::DATE, max(last_purchase_at)::DATE FROM customers GROUP BY shop
    UNION ALL
    SELECT shop, min(started_at)::DATE, max(started_at)::DATE FROM ab_tests GROUP BY shop
    UNION ALL
    SELECT shop, min(day), max(day) FROM ab_test_days GROUP BY shop
),
final AS (
    SELECT
        shop,
        coalesce(min(first_day), min(last_day))  AS first_day,
        max(last_day)                            AS last_day
    FROM days
    WHERE shop IS NOT NULL AND last_day IS NOT NULL
    GROUP BY shop
)
SELECT * FROM final ORDER BY shop
