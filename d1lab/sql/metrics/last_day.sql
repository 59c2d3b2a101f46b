-- last_day: the first and the last day that each shop's orders and stock tell of
-- unit: days      grain: shop      reads: inventory_days, order_lines
WITH days AS (
    SELECT shop, min(day) AS first_day, max(day) AS last_day FROM order_lines GROUP BY shop
    UNION ALL
    SELECT shop, min(day), max(day) FROM inventory_days GROUP BY shop
),
final AS (
    SELECT shop, min(first_day) AS first_day, max(last_day) AS last_day
    FROM days
    WHERE shop IS NOT NULL AND first_day IS NOT NULL
    GROUP BY shop
)
SELECT * FROM final ORDER BY shop
