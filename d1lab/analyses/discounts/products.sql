-- products: each product's sales with and without a discount over a period, and its margin
-- unit: units, money, ratio      grain: shop, sku      reads: order_lines, product_costs, products
-- $until: last day of the period
-- $days: length of the period, in days
-- product_title: Product
-- units_with: Units with discount, integer
-- units_without: Units without discount, integer
-- revenue_with: Revenue with discount, money
-- revenue_without: Revenue without discount, money
-- margin: Margin, money
-- margin_with: Margin with discount, money
-- margin_without: Margin without discount, money
-- share_of_units: % of units discounted, percent
-- depth: Discount depth, percent
-- price_with: Price with discount, money
-- price_without: Price without discount, money
-- margin_rate: Margin rate, percent
-- view_to_purchase_rate: View-to-purchase rate, percent
-- cart_abandonment_rate: Cart abandonment rate, percent
-- assert: unique shop, sku
-- assert: units = units_with + units_without
-- assert: abs(revenue - revenue_with - revenue_without) < 0.01
--
-- A margin is NULL unless the cost of every unit in it is known. View-to-purchase and cart
-- abandonment rates are the app's own, over all time. Categories come from `d1lab ingest products`.
WITH lines AS (
    SELECT *, discount_id IS NOT NULL AS discounted
    FROM order_lines
    WHERE shop = $shop AND day BETWEEN $until::DATE - $days::INTEGER + 1 AND $until::DATE
),
costs AS (
    SELECT sku, valid_from, unit_cost FROM product_costs WHERE shop = $shop
),
costed AS (
    SELECT lines.*, lines.units * costs.unit_cost AS cost
    FROM lines
    ASOF LEFT JOIN costs ON lines.sku = costs.sku AND lines.day >= costs.valid_from
),
sums AS (
    SELECT
        sku,
        arg_max(product_title, (occurred_at, event_id)) FILTER (product_title IS NOT NULL)
                                                                       AS product_title,
        sum(units)::BIGINT                                             AS units,
        coalesce(sum(units) FILTER (discounted), 0)::BIGINT            AS units_with,
        coalesce(sum(units) FILTER (NOT discounted), 0)::BIGINT        AS units_without,
        sum(revenue)                                                   AS revenue,
        coalesce(sum(revenue) FILTER (discounted), 0)                  AS revenue_with,
        coalesce(sum(revenue) FILTER (NOT discounted), 0)              AS revenue_without,
        coalesce(sum(discount_amount), 0)                              AS savings,
        CASE WHEN count(cost) = count(*) THEN sum(revenue - cost) END  AS margin,
        CASE WHEN count(cost) FILTER (discounted) = count(*) FILTER (discounted)
            THEN sum(revenue - cost) FILTER (discounted) END           AS margin_with,
        CASE WHEN count(cost) FILTER (NOT discounted) = count(*) FILTER (NOT discounted)
            THEN sum(revenue - cost) FILTER (NOT discounted) END       AS margin_without
    FROM costed
    GROUP BY sku
),
rates AS (
    SELECT
        sku,
        max(view_to_purchase_rate)                                     AS view_to_purchase_rate,
        max(cart_abandonment_rate)                                     AS cart_abandonment_rate,
        max(category)                                                  AS category
    FROM products
    WHERE shop = $shop
    GROUP BY sku
),
final AS (
    SELECT
        $shop                                                          AS shop,
        sums.*,
        coalesce(product_title || ' (' || sku || ')', sku)               AS product,
        -- Net of refunds, a part can be negative; then it has no share, and no price.
        CASE WHEN least(units_with, units_without) >= 0 THEN units_with / nullif(units, 0) END
            AS share_of_units,
        CASE WHEN least(savings, revenue_with) >= 0 THEN savings / nullif(savings + revenue_with, 0) END
            AS depth,
        CASE WHEN units_with > 0 THEN revenue_with / units_with END    AS price_with,
        CASE WHEN units_without > 0 THEN revenue_without / units_without END
            AS price_without,
        CASE WHEN revenue > 0 THEN margin / revenue END                AS margin_rate,
        view_to_purchase_rate,
        cart_abandonment_rate,
        category
    FROM sums
    LEFT JOIN rates USING (sku)
    WHERE units > 0
)
SELECT * FROM final ORDER BY revenue DESC, sku
