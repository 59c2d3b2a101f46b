-- recommendations: recommendation inputs per product sold in the last four weeks
-- unit: units, money, ratio, orders      grain: shop, sku      reads: order_lines, product_costs
-- $until: day of the recommendation
-- $days: length of the history of discount depths, in days
-- $horizon_days: forecast horizon, in days
-- regular_units: Expected units at regular price
-- recent_price: Price paid (13 weeks), money
-- assert: unique shop, sku
-- assert: least_depth >= 0 AND most_depth <= 1
-- assert: regular_units >= 0
--
-- A week is regular below 2% off and promoted from 5% off. regular_units: units per average regular
-- week, those without a sale included, times the weeks of the horizon; for a product that is always
-- discounted, units of its average week. unit_price: of regular weeks, or else the list price. The
-- depths are the 10th and 90th percentiles of promoted weeks. recent_price: per unit in the last 13
-- weeks. Money is summed as decimals, so that a price does not depend on the order of rows.
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
        sum(revenue)                                                AS revenue,
        sum(revenue + discount_amount)                              AS listed,
        coalesce(sum(discount_amount)::DOUBLE / nullif(sum(revenue + discount_amount)::DOUBLE, 0), 0)
                                                                    AS depth
    FROM lines
    GROUP BY sku, weeks_ago
),
skus AS (
    SELECT
        sku,
        max(product_title)                                          AS product_title,
        coalesce(
            (sum(revenue) FILTER (depth < .02))::DOUBLE / sum(units) FILTER (depth < .02),
            sum(listed)::DOUBLE / sum(units)
        )                                                           AS unit_price,
        count(*) FILTER (depth < .02) = 0                           AS always_discounted,
        CASE WHEN count(*) FILTER (depth < .02) > 0
            THEN sum(units) FILTER (depth < .02)
                / (max(weeks_ago) + 1 - count(*) FILTER (depth >= .02))
            ELSE sum(units) / (max(weeks_ago) + 1) END
            * $horizon_days::INTEGER / 7                            AS regular_units,
        (sum(revenue) FILTER (weeks_ago < 13))::DOUBLE / sum(units) FILTER (weeks_ago < 13)
                                                                    AS recent_price,
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
