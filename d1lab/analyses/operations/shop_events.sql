-- shop_events: order events per shop in the last 31 days of data, the shop with the most first
-- unit: events      grain: shop      reads: order_lines
-- events: Order events
-- assert: unique shop
-- assert: events > 0
--
-- An order event is a row that the app wrote: one order line, or one refund.
SELECT shop, count(*) AS events
FROM order_lines
WHERE day > (SELECT max(day) - 31 FROM order_lines)
GROUP BY shop
ORDER BY events DESC, shop
