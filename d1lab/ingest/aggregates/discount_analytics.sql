-- discount_analytics: use and revenue of each discount, by SKU, over all its events
-- unit: order lines, customers, money      grain: shop, discount_id, sku      reads: order_lines
-- times_used: order lines with the discount; a refund does not reduce it
-- unique_customers: distinct identified customers of those lines
-- repeat_usage_count: uses by identified customers after each customer's first
-- discount_amount, revenue_after_discount: net of refunds; revenue_before_discount is their sum
-- first_used_at, last_used_at: times of order lines; discount_code: from the latest line with a code
WITH lines AS (
    SELECT *, type = 'order' AS is_use
    FROM order_lines
    WHERE discount_id IS NOT NULL
),
final AS (
    SELECT
        shop,
        discount_id,
        sku,
        arg_max(discount_code, (occurred_at, event_id))
            FILTER (is_use AND discount_code IS NOT NULL)     AS discount_code,
        count(*) FILTER (is_use)                              AS times_used,
        sum(revenue) + sum(discount_amount)                   AS revenue_before_discount,
        sum(discount_amount)                                  AS discount_amount,
        sum(revenue)                                          AS revenue_after_discount,
        count(DISTINCT customer_id) FILTER (is_use)           AS unique_customers,
        count(customer_id) FILTER (is_use)
            - count(DISTINCT customer_id) FILTER (is_use)     AS repeat_usage_count,
        min(occurred_at) FILTER (is_use)                      AS first_used_at,
        max(occurred_at) FILTER (is_use)                      AS last_used_at
    FROM lines
    GROUP BY shop, discount_id, sku
)
SELECT * FROM final
