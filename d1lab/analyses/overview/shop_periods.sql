-- shop_periods: revenue, orders, customers, discounts given, and gross margin of a shop by week, by
-- 4 weeks, and by 13 weeks, back from a day
-- unit: money, orders, customers, ratio      grain: length_days, first_day
-- reads: order_lines, product_costs
-- $until: last day of the last period of each length
-- length_days: Length of the period [days]
-- order_value: Order value, money
-- given_share: Given away, percent
-- gross_margin_rate: Gross margin, percent
-- costed_share: Revenue with a known cost, percent
-- assert: unique length_days, first_day
-- assert: last_day = first_day::DATE + length_days::INTEGER - 1 AND last_day <= $until::DATE
-- assert: orders >= 0 AND customers >= 0
--
-- Whole weeks of the shop's days have the same weekdays. Only periods that the shop's data covers
-- whole; one without a sale has zeros. Revenue is net of refunds, on the day of the refund.
-- given_share: discounts as a share of revenue at list prices. gross_margin_rate: profit as a share of the
-- revenue of lines with a known cost.
WITH bounds AS (
    SELECT min(day) AS first_day FROM order_lines WHERE shop = $shop
),
-- A range per cost, not an ASOF join: that sorts all order lines, with twice the memory.
costs AS (
    SELECT sku, unit_cost, valid_from, coalesce(valid_until, 'infinity') AS valid_until
    FROM product_costs
    WHERE shop = $shop
),
lengths AS (
    SELECT unnest([7, 28, 91]) AS length_days
),
costed_lines AS (
    SELECT
        ($until::DATE - day) // 7                                             AS week,
        revenue, discount_amount, units * unit_cost                           AS cost
    FROM order_lines AS lines
    LEFT JOIN costs
        ON lines.sku = costs.sku AND lines.day >= valid_from AND lines.day < valid_until
    WHERE shop = $shop AND day <= $until::DATE
),
weeks AS (
    SELECT
        week,
        sum(revenue)                                                          AS revenue,
        sum(discount_amount)                                                  AS savings,
        sum(revenue) FILTER (cost IS NOT NULL)                                AS costed_revenue,
        sum(revenue - cost)                                                   AS margin
    FROM costed_lines
    GROUP BY week
),
sums AS (
    SELECT
        length_days,
        week // (length_days // 7)                                            AS period,
        sum(revenue)                                                          AS revenue,
        sum(savings)                                                          AS savings,
        sum(costed_revenue)                                                   AS costed_revenue,
        sum(margin)                                                           AS margin
    FROM weeks, lengths
    GROUP BY ALL
),
-- Each length by itself: one count over three copies of all lines needs several times the memory.
sold AS NOT MATERIALIZED (
    SELECT $until::DATE - day AS age, order_id, customer_id
    FROM order_lines
    WHERE shop = $shop AND day <= $until::DATE AND type = 'order'
),
order_periods AS (
    SELECT DISTINCT 7 AS length_days, age // 7 AS period, order_id FROM sold
    UNION ALL
    SELECT DISTINCT 28, age // 28, order_id FROM sold
    UNION ALL
    SELECT DISTINCT 91, age // 91, order_id FROM sold
),
customer_periods AS (
    SELECT DISTINCT 7 AS length_days, age // 7 AS period, customer_id FROM sold
    UNION ALL
    SELECT DISTINCT 28, age // 28, customer_id FROM sold
    UNION ALL
    SELECT DISTINCT 91, age // 91, customer_id FROM sold
),
order_counts AS (
    SELECT length_days, period, count(order_id) AS orders FROM order_periods GROUP BY ALL
),
customer_counts AS (
    SELECT length_days, period, count(customer_id) AS customers FROM customer_periods GROUP BY ALL
),
periods AS (
    SELECT
        length_days,
        unnest(range(0, ($until::DATE - first_day + 1) // length_days))       AS period
    FROM bounds, lengths
),
final AS (
    SELECT
        length_days,
        $until::DATE - ((period + 1) * length_days - 1)::INTEGER              AS first_day,
        $until::DATE - (period * length_days)::INTEGER                        AS last_day,
        coalesce(revenue, 0)                                                  AS revenue,
        coalesce(orders, 0)                                                   AS orders,
        revenue / CASE WHEN orders > 0 THEN orders END                        AS order_value,
        margin / CASE WHEN costed_revenue > 0 THEN costed_revenue END         AS gross_margin_rate,
        savings / CASE WHEN revenue + savings > 0 THEN revenue + savings END  AS given_share,
        coalesce(customers, 0)                                                AS customers,
        costed_revenue / CASE WHEN revenue > 0 THEN revenue END               AS costed_share
    FROM periods
    LEFT JOIN sums USING (length_days, period)
    LEFT JOIN order_counts USING (length_days, period)
    LEFT JOIN customer_counts USING (length_days, period)
)
SELECT * FROM final ORDER BY length_days, first_day
