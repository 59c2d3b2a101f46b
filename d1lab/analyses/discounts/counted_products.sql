-- counted_products: sales per product with and without a discount, from the app's own totals
-- unit: units, money, ratio      grain: shop, sku      reads: products
-- assert: unique shop, sku
-- assert: units = units_with + units_without
--
-- Over all time; the app does not store a start date. Columns as in products. Revenue with a
-- discount is taken to be net of the discount. Values that the app does not record are NULL.
WITH totals AS (
    SELECT
        sku,
        max(product_title)                                     AS product_title,
        coalesce(sum(units_sold_with_discount), 0)::BIGINT     AS units_with,
        sum(units_sold_regular)::BIGINT                        AS units_without,
        sum(revenue_with_discount)                             AS revenue_with,
        sum(revenue_regular)                                   AS revenue_without,
        coalesce(sum(discount_amount), 0)                      AS savings,
        max(view_to_purchase_rate)                             AS view_to_purchase_rate,
        max(cart_abandonment_rate)                             AS cart_abandonment_rate,
        max(updated_day)                                       AS updated_on
    FROM products
    WHERE shop = $shop AND counted_by IS NOT NULL
    GROUP BY sku
),
final AS (
    SELECT
        $shop                                                  AS shop,
        coalesce(product_title || ' (' || sku || ')', sku)     AS product,
        *,
        units_with + units_without                             AS units,
        revenue_with + revenue_without                         AS revenue,
        units_with / nullif(units, 0)                          AS share_of_units,
        CASE WHEN savings > 0 OR revenue_with > 0
            THEN savings / nullif(savings + revenue_with, 0) END  AS depth,
        revenue_with / nullif(units_with, 0)                   AS price_with,
        revenue_without / nullif(units_without, 0)             AS price_without
    FROM totals
    WHERE units_with + coalesce(units_without, 0) > 0
)
SELECT * FROM final ORDER BY revenue DESC NULLS LAST, savings DESC, sku
