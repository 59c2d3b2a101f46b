-- entries: all searchable items, one per kind, shop, and key
-- unit: events      grain: kind, shop, key
-- reads: order_lines, discount_totals, products, customers, ab_tests
-- Most entries come from order lines; the tables add items of the app without an event.
WITH found AS (
    SELECT 'sku' AS kind, shop, sku AS key, product_title AS title, occurred_at AS seen, 1 AS events
    FROM order_lines
    UNION ALL
    SELECT 'discount', shop, discount_id, discount_code, occurred_at, 1 FROM order_lines
    UNION ALL
    SELECT 'code', shop, discount_code, discount_id, occurred_at, 1 FROM order_lines
    UNION ALL
    SELECT 'customer', shop, customer_id, NULL, occurred_at, 1 FROM order_lines
    UNION ALL
    SELECT 'sku', shop, sku, product_title, NULL, 0 FROM products
    UNION ALL
    SELECT 'discount', shop, discount_id, discount_code, NULL, 0 FROM discount_totals
    UNION ALL
    SELECT 'code', shop, discount_code, discount_id, NULL, 0 FROM discount_totals
    UNION ALL
    SELECT 'customer', shop, customer_id, NULL, NULL, 0 FROM customers
    UNION ALL
    SELECT 'test', shop, test_id, test_name, started_at, 0 FROM ab_tests
)
SELECT
    kind,
    shop,
    key,
    coalesce(max_by(title, seen) FILTER (title IS NOT NULL), max(title))  AS title,
    sum(events)::BIGINT                                                   AS events
FROM found
WHERE key <> ''
GROUP BY kind, shop, key
