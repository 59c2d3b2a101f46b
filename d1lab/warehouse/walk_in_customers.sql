-- One row per walk-in customer ID, a POS placeholder shared by many people: it has at least 20
-- orders, at least a fifth of the shop's orders, and the shop has 10 or more other customers.
-- Counting orders takes far longer than counting lines. An order has a line at least, and a customer
-- an order: most shops cannot have a walk-in, by their lines and customers alone.
WITH lines AS (
    SELECT shop, customer_id, count(order_id) AS lines
    FROM history.order_events
    WHERE type = 'order'
    GROUP BY shop, customer_id
),
possible AS (
    SELECT shop
    FROM lines
    GROUP BY shop
    HAVING max(lines) FILTER (customer_id IS NOT NULL)
        >= greatest(20, .2 * count(*) FILTER (lines > 0))
),
counts AS (
    SELECT shop, customer_id, count(DISTINCT order_id) AS orders
    FROM history.order_events
    WHERE type = 'order' AND shop IN (FROM possible)
    GROUP BY shop, customer_id
),
shares AS (
    SELECT
        *,
        orders / sum(orders) OVER (PARTITION BY shop)      AS share_of_orders,
        count(customer_id) OVER (PARTITION BY shop)        AS customers
    FROM counts
)
SELECT shop, customer_id, orders, share_of_orders
FROM shares
WHERE customer_id IS NOT NULL AND orders >= 20 AND share_of_orders >= .2 AND customers > 10
