-- ab_test_traffic: what a shop's next A/B test can count on: orders, their values, and the rate
-- unit: orders, visitors, money      grain: shop      reads: order_lines, product_costs, ab_test_days
-- $until: last day included
-- assert: unique shop
-- assert: orders_with_cost <= orders
--
-- Eight whole weeks, so that every weekday counts equally. Profit is revenue minus the cost valid on
-- the last day, of orders whose lines all have a cost. The rate is that of the tests of these weeks.
WITH lines AS (
    SELECT order_id, sku, units, revenue::DOUBLE AS revenue
    FROM order_lines
    WHERE
        shop = $shop AND type = 'order'
        AND day > $until::DATE - INTERVAL 56 DAY AND day <= $until::DATE
),
costs AS (
    SELECT sku, arg_max(unit_cost, valid_from)::DOUBLE AS unit_cost
    FROM product_costs
    WHERE shop = $shop AND valid_from <= $until::DATE
    GROUP BY sku
),
orders AS (
    SELECT
        order_id,
        sum(revenue)                                                 AS revenue,
        CASE WHEN count(unit_cost) = count(*)
            THEN sum(revenue - units * unit_cost) END                AS profit
    FROM lines LEFT JOIN costs USING (sku)
    GROUP BY order_id
),
visits AS (
    SELECT sum(visitors) AS visitors, sum(conversions) AS conversions
    FROM ab_test_days
    WHERE
        shop = $shop AND visitors IS NOT NULL AND conversions IS NOT NULL
        AND day > $until::DATE - INTERVAL 56 DAY AND day <= $until::DATE
),
final AS (
    SELECT
        $shop                                                        AS shop,
        count(*) / 56                                                AS orders_per_day,
        sum(revenue)                                                 AS revenue,
        sum(revenue * revenue)                                       AS revenue_squares,
        count(profit)                                                AS orders_with_cost,
        sum(profit)                                                  AS profit,
        sum(profit * profit)                                         AS profit_squares,
        count(*)                                                     AS orders,
        any_value(conversions / nullif(visitors, 0))                 AS rate
    FROM orders CROSS JOIN visits
)
SELECT * FROM final
