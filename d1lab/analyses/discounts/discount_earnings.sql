-- discount_earnings: revenue, discounts given, and margin per discount, code, and discounted SKU
-- over a period
-- unit: order lines, customers, money, ratio      grain: level, discount_id, discount_code, sku
-- reads: order_lines, product_costs
-- $until: last day of the period
-- $days: length of the period, in days
-- repeat_customers: Repeat users of the discount, integer
-- new_customers: First-time customers, integer
-- revenue_before: Revenue at list price, money
-- revenue_after: Revenue after discount, money
-- margin_before: Margin at list price, money
-- margin_after: Margin after discount, money
-- assert: unique level, discount_id, discount_code, sku
-- assert: repeat_customers <= customers AND new_customers <= customers
-- assert: orders <= uses
--
-- level: 'discount', 'code', 'sku' or 'all'; columns finer than the level are NULL.
-- new_customers: customers whose first purchase in the data is one of these orders.
-- repeat_customers: customers who used it in two or more orders. Margins are NULL unless the cost
-- of every line is known. before: the same units at list price.
WITH firsts AS (
    SELECT customer_id, arg_min(order_id, (occurred_at, event_id)) AS first_order
    FROM order_lines
    WHERE shop = $shop AND type = 'order' AND customer_id IS NOT NULL
    GROUP BY customer_id
),
costs AS (
    SELECT sku, valid_from, unit_cost FROM product_costs WHERE shop = $shop
),
lines AS (
    SELECT
        order_lines.*,
        order_lines.units * costs.unit_cost       AS cost,
        type = 'order'                            AS is_use,
        first_order IS NOT DISTINCT FROM order_id AND customer_id IS NOT NULL  AS is_first
    FROM order_lines
    ASOF LEFT JOIN costs ON order_lines.sku = costs.sku AND order_lines.day >= costs.valid_from
    LEFT JOIN firsts USING (customer_id)
    WHERE shop = $shop
        AND discount_id IS NOT NULL
        AND day BETWEEN $until::DATE - $days::INTEGER + 1 AND $until::DATE
),
keyed AS (
    SELECT 'discount' AS level, discount_id, NULL::VARCHAR AS discount_code, NULL::VARCHAR AS of_sku, *
        EXCLUDE (discount_id, discount_code)
    FROM lines
    UNION ALL BY NAME
    SELECT 'code' AS level, discount_id, discount_code, NULL::VARCHAR AS of_sku, *
        EXCLUDE (discount_id, discount_code)
    FROM lines WHERE discount_code IS NOT NULL
    UNION ALL BY NAME
    SELECT 'sku' AS level, NULL::VARCHAR AS discount_id, NULL::VARCHAR AS discount_code, sku AS of_sku, *
        EXCLUDE (discount_id, discount_code)
    FROM lines
    UNION ALL BY NAME
    SELECT 'all' AS level, NULL::VARCHAR AS discount_id, NULL::VARCHAR AS discount_code,
        NULL::VARCHAR AS of_sku, * EXCLUDE (discount_id, discount_code)
    FROM lines
),
buyers AS (
    SELECT level, discount_id, discount_code, of_sku, customer_id,
        count(DISTINCT order_id) AS orders, bool_or(is_first) AS is_new
    FROM keyed
    WHERE is_use AND customer_id IS NOT NULL
    GROUP BY ALL
),
reach AS (
    SELECT level, discount_id, discount_code, of_sku,
        count(*)                              AS customers,
        count(*) FILTER (orders > 1)          AS repeat_customers,
        count(*) FILTER (is_new)              AS new_customers
    FROM buyers
    GROUP BY ALL
),
sums AS (
    SELECT level, discount_id, discount_code, of_sku,
        max(product_title)                    AS title,
        count(*) FILTER (is_use)              AS uses,
        count(DISTINCT order_id) FILTER (is_use)  AS orders,
        sum(units)::BIGINT                    AS units,
        sum(revenue + discount_amount)        AS revenue_before,
        sum(discount_amount)                  AS savings,
        sum(revenue)                          AS revenue_after,
        CASE WHEN count(cost) = count(*) THEN sum(revenue + discount_amount - cost) END  AS margin_before,
        CASE WHEN count(cost) = count(*) THEN sum(revenue - cost) END                    AS margin_after
    FROM keyed
    GROUP BY ALL
),
final AS (
    SELECT
        sums.level,
        sums.discount_id,
        sums.discount_code,
        sums.of_sku                           AS sku,
        CASE sums.level
            WHEN 'sku' THEN concat_ws(' ', title, '(' || sums.of_sku || ')')
            WHEN 'code' THEN sums.discount_code
            WHEN 'all' THEN 'all discounts'
            ELSE sums.discount_id END         AS name,
        uses,
        orders,
        coalesce(customers, 0)                AS customers,
        coalesce(repeat_customers, 0)         AS repeat_customers,
        coalesce(new_customers, 0)            AS new_customers,
        units,
        revenue_before,
        savings,
        revenue_after,
        CASE WHEN revenue_before > 0 AND revenue_after >= 0 THEN savings / revenue_before END
            AS depth, -- net of refunds, neither may be positive
        margin_before,
        margin_after,
        CASE WHEN revenue_before > 0 THEN margin_before / revenue_before END  AS margin_rate
    FROM sums
    LEFT JOIN reach ON sums.level = reach.level
        AND sums.discount_id IS NOT DISTINCT FROM reach.discount_id
        AND sums.discount_code IS NOT DISTINCT FROM reach.discount_code
        AND sums.of_sku IS NOT DISTINCT FROM reach.of_sku
    WHERE uses > 0
)
SELECT * FROM final ORDER BY level, savings DESC, discount_id, discount_code, sku
