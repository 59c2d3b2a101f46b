-- ab_tests: A/B tests of a shop that started on or before a day, with totals and declared plan
-- unit: visitors, conversions, money      grain: shop, test_id
-- reads: ab_tests, order_lines, daily_discounts, ab_test_days, walk_in_customers
-- $until: report date
-- assert: unique shop, test_id
-- assert: started_at::DATE <= $until::DATE
-- assert: elapsed >= 0
--
-- The sums are current totals; `sums_are_later` marks those that include days after $until. The
-- last day of data is the latest in any of three tables, because an app may have only some. Times
-- are local times of the shop.
--
-- `orders_before` counts the shop's orders in the 28 days before the start. For tests without
-- visitors, `count_inflation` is the variance of a count of orders divided by that of as many
-- customers with one order each, and `money_inflation` the same for their sum, among the shop's own
-- orders during the test; NULL below 25 orders.
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
orders AS (
    SELECT
        order_id,
        any_value(customer_id)                                       AS customer_id,
        min(day)                                                     AS day,
        sum(revenue)::DOUBLE                                         AS value
    FROM order_lines
    WHERE shop = $shop AND type = 'order' AND day <= $until::DATE
    GROUP BY order_id
),
daily_orders AS (
    SELECT day, count(*) AS orders FROM orders GROUP BY day
),
before AS (
    SELECT test_id, sum(orders)::BIGINT AS orders_before
    FROM begun
    INNER JOIN daily_orders
        ON daily_orders.day >= started_at::DATE - INTERVAL 28 DAY
        AND daily_orders.day < started_at::DATE
    GROUP BY test_id
),
by_customer AS (
    SELECT
        test_id,
        customer_id,
        count(*)                                                     AS orders,
        sum(value)                                                   AS value,
        sum(value * value)                                           AS squares
    FROM begun
    INNER JOIN orders
        ON orders.day BETWEEN started_at::DATE AND coalesce(ended_at::DATE, $until::DATE)
    WHERE
        (variant_a_visitors IS NULL OR variant_b_visitors IS NULL)
        AND customer_id IS NOT NULL
        AND customer_id NOT IN (SELECT customer_id FROM walk_in_customers WHERE shop = $shop)
    GROUP BY test_id, customer_id
),
repeats AS (
    SELECT
        test_id,
        sum(orders * orders) / sum(orders)                           AS count_inflation,
        greatest(sum(value * value) / nullif(sum(squares), 0), 1)    AS money_inflation
    FROM by_customer
    GROUP BY test_id
    HAVING sum(orders) >= 25
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
    FROM begun
    CROSS JOIN data
    LEFT JOIN before USING (test_id)
    LEFT JOIN repeats USING (test_id)
)
SELECT * EXCLUDE (last_day) FROM final ORDER BY ended, started_at DESC, test_id
