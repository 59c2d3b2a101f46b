-- customer_weeks: revenue of each customer in each of the last weeks, oldest first
-- unit: money      grain: shop, customer_id      reads: order_lines, walk_in_customers
-- $until: last day of the last week
-- $weeks: number of weeks
-- weekly_revenue: Revenue per week, trend
-- assert: unique shop, customer_id
-- assert: len(weekly_revenue) = $weeks::INTEGER
--
-- Weeks end on the weekday of `$until`. Revenue is net of refunds, on the day of the refund.
WITH walk_ins AS (
    -- A list: DuckDB takes the few IDs for many, and would join with all lines on the wrong side.
    SELECT coalesce(list(customer_id), []) FROM walk_in_customers WHERE shop = $shop
),
weekly AS (
    SELECT
        shop,
        customer_id,
        ($until::DATE - day) // 7                          AS ago,
        sum(revenue)::DOUBLE                               AS revenue
    FROM order_lines
    WHERE shop = $shop
        AND customer_id IS NOT NULL
        AND NOT list_contains((FROM walk_ins), customer_id)
        AND day BETWEEN $until::DATE - 7 * $weeks::INTEGER + 1 AND $until::DATE
    GROUP BY ALL
),
-- Not a grid of all customers and weeks: it takes several times the memory.
of_customers AS (
    SELECT shop, customer_id, map_from_entries(list((ago, revenue))) AS revenue_by_week
    FROM weekly
    GROUP BY shop, customer_id
),
final AS (
    SELECT
        shop,
        customer_id,
        [coalesce(revenue_by_week[ago], 0) FOR ago IN range($weeks::INTEGER - 1, -1, -1)]
                                                           AS weekly_revenue
    FROM of_customers
)
SELECT * FROM final ORDER BY customer_id
