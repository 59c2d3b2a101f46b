-- walk_ins: customer IDs shared by many people, such as the one of a cash register; in no RFM group
-- unit: orders, ratio      grain: shop, customer_id      reads: walk_in_customers
-- share_of_orders: Share of orders, percent
-- assert: unique shop, customer_id
-- assert: share_of_orders BETWEEN 0 AND 1
SELECT shop, customer_id, orders, share_of_orders
FROM walk_in_customers
WHERE shop = $shop
ORDER BY orders DESC, customer_id
