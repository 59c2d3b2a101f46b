-- last_day: first and last day of data per shop
-- unit: days      grain: shop
-- reads: order_lines, inventory_days, daily_discounts, discount_totals, customers, ab_tests,
-- ab_test_days, products
-- assert: unique shop
-- assert: first_day <= last_day
--
-- An app may have only some of these tables. Days are the shop's. Planned dates and dates in the
-- future are not counted. A product's time is the last change of its counters, not a sale, so it is
-- used only if nothing else has a date.
WITH started AS (
    SELECT shop, local_day(shop, started_at) AS day FROM ab_tests
),
days AS (
    SELECT shop, min(day) AS first_day, max(day) AS last_day FROM order_lines GROUP BY shop
    UNION ALL
    SELECT shop, min(day), max(day) FROM inventory_days GROUP BY shop
    UNION ALL
    SELECT shop, min(day), max(day) FROM daily_discounts GROUP BY shop
    UNION ALL
    SELECT shop, min(first_used_day), max(last_used_day) FILTER (NOT is_to_come(last_used_day))
    FROM discount_totals GROUP BY shop
    UNION ALL
    SELECT shop, min(last_purchase_day), max(last_purchase_day) FILTER (NOT is_to_come(last_purchase_day))
    FROM customers GROUP BY shop
    UNION ALL
    SELECT shop, min(day), max(day) FROM started WHERE NOT is_to_come(day) GROUP BY shop
    UNION ALL
    SELECT shop, min(day), max(day) FROM ab_test_days GROUP BY shop
),
counted AS (
    SELECT shop, min(updated_day) AS first_day, max(updated_day) AS last_day
    FROM products
    GROUP BY shop
),
known AS (
    SELECT *, true AS dated FROM days
    UNION ALL
    SELECT *, false FROM counted
),
final AS (
    SELECT
        shop,
        coalesce(
            min(first_day) FILTER (dated), min(last_day) FILTER (dated), min(first_day)
        )                                                           AS first_day,
        coalesce(max(last_day) FILTER (dated), max(last_day))       AS last_day
    FROM known
    WHERE shop IS NOT NULL AND last_day IS NOT NULL
    GROUP BY shop
)
SELECT * FROM final ORDER BY shop
