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
costs AS (
    SELECT sku, valid_from, unit_cost FROM product_costs WHERE shop = $shop
),
lines AS MATERIALIZED (
    SELECT
        $until::DATE - day                                                    AS age,
        type = 'order'                                                        AS is_order,
        order_id, customer_id, revenue, discount_amount, units * unit_cost    AS cost
    FROM order_lines AS lines
    ASOF LEFT JOIN costs ON lines.sku = costs.sku AND lines.day >= costs.valid_from
    WHERE shop = $shop AND day <= $until::DATE
),
lengths AS (
    SELECT unnest([7, 28, 91]) AS length_days
),
sums AS (
    SELECT
        length_days,
        age // length_days                                                    AS period,
        sum(revenue)                                                          AS revenue,
        count(DISTINCT order_id) FILTER (is_order)                            AS orders,
        count(DISTINCT customer_id) FILTER (is_order)                         AS customers,
        sum(discount_amount)                                                  AS savings,
        sum(revenue) FILTER (cost IS NOT NULL)                                AS costed_revenue,
        sum(revenue - cost) FILTER (cost IS NOT NULL)                         AS margin
    FROM lines, lengths
    GROUP BY ALL
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
)
SELECT * FROM final ORDER BY length_days, first_day
