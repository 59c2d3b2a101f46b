-- walk_ins: customers that stand for many people, such as a till's; they are in no group
-- unit: orders, ratio      grain: shop, customer_id      reads: walk_in_customers
-- share_of_orders: Share of orders, percent
SELECT shop, customer_id, orders, share_of_orders
FROM walk_in_customers
WHERE shop = $shop
ORDER BY orders DESC, customer_id
