-- elasticity: units and prices of each SKU in each week with a sale
-- unit: units, money, ratio      grain: shop, sku, week      reads: order_lines
-- $until: last day of the last week
-- $days: length of the history, in days; only whole weeks count
--
-- week: 0 is the last week, -1 the week before. price: price paid per unit, after discounts.
-- list_price: before discounts. Refunds are excluded: demand is what was sold at the price.
WITH lines AS (
    SELECT sku, product_title, ($until::DATE - day) // 7 AS weeks_ago, units, list_price, revenue, discount_amount
    FROM order_lines
    WHERE shop = $shop
        AND type = 'order'
        AND units > 0
        AND day BETWEEN $until::DATE - $days::INTEGER // 7 * 7 + 1 AND $until::DATE
),
final AS (
    SELECT
        $shop                                               AS shop,
        sku,
        -weeks_ago                                          AS week,
        sum(units)::BIGINT                                  AS units,
        sum(revenue)::DOUBLE                                AS revenue,
        sum(revenue)::DOUBLE / sum(units)                   AS price,
        (sum(revenue) + sum(discount_amount))::DOUBLE / sum(units)  AS list_price,
        coalesce(sum(discount_amount)::DOUBLE
            / nullif((sum(revenue) + sum(discount_amount))::DOUBLE, 0), 0)  AS depth
    FROM lines
    GROUP BY sku, weeks_ago
)
SELECT * FROM final ORDER BY sku, week
