-- One row per walk-in customer ID, a POS placeholder shared by many people: it has at least 20
-- orders, at least a fifth of the shop's orders, and the shop has 10 or more other customers.
WITH counts AS (
    SELECT shop, customer_id, count(DISTINCT order_id) AS orders
    FROM history.order_events
    WHERE type = 'order'
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
