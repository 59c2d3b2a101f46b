-- shop_margin: gross margin of a shop's last 13 weeks; of 4 weeks, or of one, if its data is younger
-- unit: days, ratio      grain: length_days
-- reads: order_lines, product_costs
-- $until: last day of the weeks
-- assert: unique length_days
--
-- The last row of `shop_periods` of that length has the same rate, and all earlier periods, which
-- read all order lines several times.
WITH bounds AS (
    SELECT min(day) AS first_day FROM order_lines WHERE shop = $shop
),
span AS (
    SELECT max(length_days) AS length_days
    FROM (SELECT unnest([7, 28, 91]) AS length_days), bounds
    WHERE $until::DATE - first_day + 1 >= length_days
),
costs AS (
    SELECT sku, unit_cost, valid_from, coalesce(valid_until, 'infinity') AS valid_until
    FROM product_costs
    WHERE shop = $shop
),
costed_lines AS (
    SELECT revenue, units * unit_cost AS cost
    FROM order_lines AS lines
    LEFT JOIN costs
        ON lines.sku = costs.sku AND lines.day >= valid_from AND lines.day < valid_until
    WHERE shop = $shop
        AND day BETWEEN $until::DATE - (SELECT length_days FROM span) + 1 AND $until::DATE
),
sums AS (
    SELECT sum(revenue - cost) AS margin, sum(revenue) FILTER (cost IS NOT NULL) AS costed_revenue
    FROM costed_lines
),
final AS (
    SELECT
        length_days,
        margin / CASE WHEN costed_revenue > 0 THEN costed_revenue END    AS gross_margin_rate
    FROM sums, span
    WHERE length_days IS NOT NULL
)
SELECT * FROM final
