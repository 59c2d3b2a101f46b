-- discount_trend: discounted order lines, discounts given, and discounted revenue per day,
-- including days without any
-- unit: order lines, money      grain: day      reads: order_lines
-- $until: last day included
-- $days: number of days
-- discounted_revenue: Discounted revenue, money
-- assert: unique day
-- assert: day > $until::DATE - $days::INTEGER AND day <= $until::DATE
--
-- The days start with the first day that has an order line, if that is later.
WITH known AS (
    SELECT min(day) AS first_day FROM order_lines WHERE shop = $shop
),
days AS (
    SELECT unnest(generate_series(
        greatest(first_day, $until::DATE - $days::INTEGER + 1), $until::DATE, INTERVAL 1 DAY
    ))::DATE AS day
    FROM known
),
daily AS (
    SELECT
        day,
        count(*) FILTER (type = 'order' AND discount_id IS NOT NULL)  AS uses,
        sum(discount_amount) FILTER (discount_id IS NOT NULL)         AS savings,
        sum(revenue) FILTER (discount_id IS NOT NULL)                 AS discounted_revenue,
        sum(revenue)                                                  AS revenue
    FROM order_lines
    WHERE shop = $shop AND day BETWEEN $until::DATE - $days::INTEGER + 1 AND $until::DATE
    GROUP BY day
),
final AS (
    SELECT
        day,
        coalesce(uses, 0)                AS uses,
        coalesce(savings, 0)             AS savings,
        coalesce(discounted_revenue, 0)  AS discounted_revenue,
        coalesce(revenue, 0)             AS revenue
    FROM days
    LEFT JOIN daily USING (day)
)
SELECT * FROM final ORDER BY day
