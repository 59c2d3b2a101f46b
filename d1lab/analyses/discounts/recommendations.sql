-- recommendations: recommendation inputs per product sold in the last four weeks
-- unit: units, money, ratio, orders      grain: shop, sku      reads: order_lines, product_costs
-- $until: day of the recommendation
-- $days: length of the history of discount depths, in days
-- $horizon_days: forecast horizon, in days
-- regular_units: Expected units at regular price
--
-- A week is regular below 2% off and promoted from 5% off. regular_units: units per average regular
-- week, times the weeks of the horizon. The depths are the 10th and 90th percentiles of promoted
-- weeks.
WITH lines AS (
    SELECT *, ($until::DATE - day) // 7 AS weeks_ago
    FROM order_lines
    WHERE shop = $shop
        AND type = 'order'
        AND units > 0
        AND day BETWEEN $until::DATE - $days::INTEGER // 7 * 7 + 1 AND $until::DATE
),
weeks AS (
    SELECT
        sku,
        weeks_ago,
        max(product_title)                                          AS product_title,
        sum(units)                                                  AS units,
        sum(revenue)::DOUBLE                                        AS revenue,
        coalesce(sum(discount_amount)::DOUBLE / nullif(sum(revenue + discount_amount)::DOUBLE, 0), 0)
                                                                    AS depth
    FROM lines
    GROUP BY sku, weeks_ago
),
skus AS (
    SELECT
        sku,
        max(product_title)                                          AS product_title,
        sum(revenue) FILTER (depth < .02) / sum(units) FILTER (depth < .02)  AS unit_price,
        avg(units) FILTER (depth < .02) * $horizon_days::INTEGER / 7  AS regular_units,
        quantile_cont(depth, .1) FILTER (depth >= .05)              AS least_depth,
        quantile_cont(depth, .9) FILTER (depth >= .05)              AS most_depth,
        count(*) FILTER (depth >= .05)                              AS promoted_weeks
    FROM weeks
    GROUP BY sku
    HAVING min(weeks_ago) < 4
),
recent AS (
    SELECT sku, count(DISTINCT order_id) AS orders FROM lines WHERE weeks_ago < 13 GROUP BY sku
),
shop AS (
    SELECT count(DISTINCT order_id) AS orders, count(DISTINCT day) AS days FROM lines WHERE weeks_ago < 13
),
costs AS (
    SELECT sku, arg_max(unit_cost, valid_from) AS unit_cost
    FROM product_costs
    WHERE shop = $shop AND valid_from <= $until::DATE
    GROUP BY sku
),
final AS (
    SELECT
        $shop                                                       AS shop,
        skus.*,
        coalesce(product_title || ' (' || skus.sku || ')', skus.sku)  AS product,
        unit_cost::DOUBLE                                           AS unit_cost,
        recent.orders / shop.orders                                 AS base_rate,
        shop.orders / shop.days                                     AS orders_per_day
    FROM skus
    LEFT JOIN recent USING (sku)
    LEFT JOIN costs USING (sku)
    CROSS JOIN shop
    WHERE unit_price > 0
)
SELECT * FROM final ORDER BY regular_units DESC, sku
