-- daily_discount_stats: the discounted sales of each of the shop's days
-- unit: order lines, customers, money      grain: shop, date      reads: order_lines
-- total_discounts_used: discounted order lines of the day
-- unique_customers: distinct identified customers of those lines
-- total_revenue_impact: revenue after discount of the day's discounted lines, minus the day's
--   refunds of discounted lines, regardless of when they were bought
WITH lines AS (
    SELECT *, type = 'order' AS is_use
    FROM order_lines
    WHERE discount_id IS NOT NULL
),
final AS (
    SELECT
        shop,
        day                                          AS date,
        count(*) FILTER (is_use)                     AS total_discounts_used,
        count(DISTINCT customer_id) FILTER (is_use)  AS unique_customers,
        sum(revenue)                                 AS total_revenue_impact
    FROM lines
    GROUP BY shop, day
)
SELECT * FROM final
