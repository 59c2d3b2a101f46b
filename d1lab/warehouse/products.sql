-- One row per product, over all time, as counted by the app or `d1lab aggregate`. An app that
-- counts discounted sales only leaves the other units at 0 and their revenue NULL: unknown.
-- Products of `d1lab ingest products` have their title, category, vendor, and price, also unsold.
SELECT
    shop,
    sku,
    coalesce(product_title, d1lab_products.title)  AS product_title,
    units_sold_with_discount,
    CASE WHEN units_sold_without_discount > 0 OR revenue_without_discount IS NOT NULL
        THEN units_sold_without_discount END  AS units_sold_regular,
    total_discount_given         AS discount_amount,
    revenue_with_discount,
    revenue_without_discount     AS revenue_regular,
    view_to_purchase_rate,
    cart_abandonment_rate,
    d1lab_products.category,
    d1lab_products.vendor,
    d1lab_products.price,
    updated_at,
    local_day(shop, updated_at)  AS updated_day,
    CASE WHEN product_performance.sku IS NOT NULL THEN (
        SELECT CASE count(*) WHEN 0 THEN 'app' ELSE 'd1lab' END FROM raw.d1lab_owned
        WHERE table_name = 'product_performance' AND part = 'counters'
            AND how IS DISTINCT FROM 'left'
    ) END                        AS counted_by  -- NULL: not counted
FROM raw.product_performance
FULL JOIN raw.d1lab_products USING (shop, sku)
