-- shop_days: orders, revenue, and discounts given of each shop and day
-- unit: orders, money      grain: shop, day      reads: order_lines
-- assert: unique shop, day
-- assert: orders >= 0
--
-- Revenue and discounts are net of refunds, on the day of the refund. Days are the shop's; those without
-- an order line have no row.
SELECT
    shop,
    day,
    count(DISTINCT order_id) FILTER (type = 'order')    AS orders,
    coalesce(sum(revenue), 0)                           AS revenue,
    coalesce(sum(discount_amount), 0)                   AS savings
FROM order_lines
WHERE shop IS NOT NULL AND day IS NOT NULL
GROUP BY shop, day
ORDER BY shop, day
