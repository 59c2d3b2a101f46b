-- product_performance: units and revenue of each SKU, with discount and without
-- unit: units, money      grain: shop, sku      reads: order_lines
-- units_..., revenue_..., total_discount_given: net of refunds, so negative if a refund's order is
--   not among the events
-- product_title: the latest; updated_at: the time of the latest event in the figures, not the time
--   of the computation, so that the same events always give the same row
WITH lines AS (
    SELECT *, discount_id IS NOT NULL AS is_discounted
    FROM order_lines
),
final AS (
    SELECT
        shop,
        sku,
        arg_max(product_title, (occurred_at, event_id))
            FILTER (product_title IS NOT NULL)                     AS product_title,
        coalesce(sum(units) FILTER (is_discounted), 0)             AS units_sold_with_discount,
        coalesce(sum(units) FILTER (NOT is_discounted), 0)         AS units_sold_without_discount,
        coalesce(sum(discount_amount) FILTER (is_discounted), 0)   AS total_discount_given,
        coalesce(sum(revenue) FILTER (is_discounted), 0)           AS revenue_with_discount,
        coalesce(sum(revenue) FILTER (NOT is_discounted), 0)       AS revenue_without_discount,
        max(occurred_at)                                           AS updated_at
    FROM lines
    GROUP BY shop, sku
)
SELECT * FROM final
