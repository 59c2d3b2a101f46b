-- One row per product, over all time, from `d1lab aggregate`.
SELECT
    shop,
    sku,
    product_title,
    units_sold_with_discount,
    units_sold_without_discount  AS units_sold_regular,
    total_discount_given         AS discount_amount,
    revenue_with_discount,
    revenue_without_discount     AS revenue_regular,
    view_to_purchase_rate,
    cart_abandonment_rate,
    updated_at
FROM raw.product_performance
