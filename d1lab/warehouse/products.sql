-- One row per product, over all time, as counted by the app or `d1lab aggregate`. An app that
-- counts discounted sales only leaves the other units at 0 and their revenue NULL: unknown.
-- Products of `d1lab ingest products` have their title, category, vendor, and price, also unsold.
SELECT
    shop,
    sku,
    coalesce(app.product_title, own.title)  AS product_title,
    app.units_sold_with_discount,
    CASE WHEN app.units_sold_without_discount > 0 OR app.revenue_without_discount IS NOT NULL
        THEN app.units_sold_without_discount END  AS units_sold_regular,
    app.total_discount_given         AS discount_amount,
    app.revenue_with_discount,
    app.revenue_without_discount     AS revenue_regular,
    app.view_to_purchase_rate,
    app.cart_abandonment_rate,
    own.category,
    own.vendor,
    own.price,
    app.updated_at,
    local_day(shop, app.updated_at)  AS updated_day,
    CASE WHEN app.sku IS NOT NULL THEN (
        SELECT CASE count(*) WHEN 0 THEN 'app' ELSE 'd1lab' END FROM raw.d1lab_owned AS owned
        WHERE owned.table_name = 'product_performance' AND owned.part = 'counters'
            AND owned.how IS DISTINCT FROM 'left'
    ) END                            AS counted_by  -- NULL: not counted
FROM raw.product_performance AS app
FULL JOIN raw.d1lab_products AS own USING (shop, sku)
