-- demo_orders: paid orders of a shop between two days, the basis of a simulated A/B test
-- unit: cents      grain: order      reads: order_lines
-- $shop, $since, $until: the shop, the first and the last day
SELECT
    min(day) - $since::DATE              AS place,
    (sum(revenue) * 100)::BIGINT         AS cents
FROM order_lines
WHERE shop = $shop AND type = 'order' AND day BETWEEN $since::DATE AND $until::DATE
GROUP BY order_id
HAVING cents > 0
ORDER BY place, order_id
