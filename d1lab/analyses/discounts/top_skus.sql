-- top_skus: SKUs sold with a discount in a period, by discounts given
-- unit: units, money, ratio      grain: sku      reads: order_lines
-- $until: last day of the period
-- $days: length of the period, in days
-- assert: unique sku
-- assert: uses >= 1
WITH lines AS (
    SELECT *, discount_id IS NOT NULL AS discounted
    FROM order_lines
    WHERE shop = $shop AND day BETWEEN $until::DATE - $days::INTEGER + 1 AND $until::DATE
),
totals AS (
    SELECT
        sku,
        arg_max(product_title, (occurred_at, event_id))
            FILTER (product_title IS NOT NULL)                       AS product_title,
        count(*) FILTER (discounted AND type = 'order')              AS uses,
        sum(units) FILTER (discounted)::BIGINT                       AS units_with_discount,
        sum(units)::BIGINT                                           AS units,
        sum(discount_amount) FILTER (discounted)                     AS savings,
        sum(revenue) FILTER (discounted)                             AS discounted_revenue
    FROM lines
    GROUP BY sku
),
final AS (
    SELECT
        sku,
        product_title,
        uses,
        units_with_discount,
        CASE WHEN units_with_discount BETWEEN 0 AND units THEN units_with_discount / nullif(units, 0)
        END                                                          AS share_of_units,
        savings,
        discounted_revenue,
        CASE WHEN least(savings, discounted_revenue) >= 0
            THEN savings / nullif(savings + discounted_revenue, 0) END  AS depth
    FROM totals
    WHERE uses > 0
)
SELECT * FROM final ORDER BY savings DESC, sku
