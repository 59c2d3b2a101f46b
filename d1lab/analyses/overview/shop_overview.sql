-- shop_overview: size of each shop: orders, customers, SKUs, revenue, and discounts
-- unit: orders, customers, SKUs, money, ratio      grain: shop      reads: order_lines
-- orders: Orders, integer
-- customers: Customers, integer
-- revenue: Revenue, money
-- discounted_share: Orders with a discount, percent
-- average_order_value: Average order value (AOV), money
-- assert: unique shop
-- assert: discounted_share BETWEEN 0 AND 1
WITH totals AS (
    SELECT
        shop,
        min(day)                                        AS first_day,
        max(day)                                        AS last_day,
        count(DISTINCT order_id) FILTER (type = 'order')  AS orders,
        count(DISTINCT customer_id)                     AS customers,
        count(DISTINCT sku)                             AS skus,
        count(*) FILTER (type = 'order')                AS lines,
        count(*) FILTER (type = 'order' AND discount_id IS NOT NULL)  AS discounted_lines,
        sum(revenue)                                    AS revenue,
        sum(discount_amount)                            AS savings
    FROM order_lines
    GROUP BY shop
),
final AS (
    SELECT
        shop, first_day, last_day, orders, customers, skus, revenue, savings,
        discounted_lines / nullif(lines, 0)             AS discounted_share,
        revenue / nullif(orders, 0)                     AS average_order_value
    FROM totals
)
SELECT * FROM final ORDER BY shop
