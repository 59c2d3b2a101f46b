-- weekly_demand: units sold per week and discount depth, for each SKU with stock
-- unit: units, money, days      grain: shop, sku, week      reads: inventory_days, order_lines
-- $until: last day of the last week
-- $weeks: number of weeks; week 0 is the first, $weeks - 1 the last
-- assert: unique shop, sku, week
-- assert: week BETWEEN 0 AND $weeks::INTEGER - 1
-- assert: open_days BETWEEN 0 AND 7
--
-- The units of a day come from the ledger, or else from orders. A stockout day is not a day without
-- demand: demand_units are the units of in-stock days, scaled to seven days; NULL if fewer than two
-- days were in stock, or fewer than four are known. depth: discount divided by list value, from orders.
WITH known AS (
    SELECT
        sku,
        day,
        arg_max(units_sold, row_id)                                      AS units,
        arg_max(starting_units > 0 OR units_sold > 0, row_id)            AS in_stock
    FROM inventory_days
    WHERE shop = $shop
        AND day BETWEEN $until::DATE - 7 * $weeks::INTEGER + 1 AND $until::DATE
        AND starting_units IS NOT NULL AND units_sold IS NOT NULL
    GROUP BY sku, day
),
skus AS (
    SELECT DISTINCT sku FROM known
),
lines AS (
    SELECT
        sku,
        day,
        sum(units)::BIGINT                                               AS units,
        sum(units) FILTER (type = 'order' AND discount_amount > 0)       AS discounted_units,
        sum(discount_amount) FILTER (type = 'order')                     AS discount_amount,
        sum(revenue + discount_amount) FILTER (type = 'order')           AS list_value
    FROM order_lines
    WHERE shop = $shop
        AND day BETWEEN $until::DATE - 7 * $weeks::INTEGER + 1 AND $until::DATE
    GROUP BY sku, day
),
days AS (
    SELECT
        sku,
        $weeks::INTEGER - 1 - ($until::DATE - day) // 7                  AS week,
        coalesce(known.units, lines.units)                               AS units,
        known.in_stock,
        known.sku IS NOT NULL                                            AS kept,
        lines.discounted_units,
        lines.discount_amount,
        lines.list_value
    FROM known
    FULL JOIN lines USING (sku, day)
    SEMI JOIN skus USING (sku)
),
sums AS (
    SELECT
        sku,
        week,
        sum(units)                                                       AS units,
        count(*) FILTER (kept)                                           AS kept_days,
        count(*) FILTER (NOT in_stock)                                   AS empty_days,
        sum(discounted_units)                                            AS discounted_units,
        sum(discount_amount)                                             AS discount_amount,
        sum(list_value)                                                  AS list_value
    FROM days
    GROUP BY sku, week
),
-- Where orders are recorded, a day without a row is a day without a sale; otherwise unknown.
every_week AS (
    SELECT
        sku,
        week::INTEGER                                                    AS week,
        (SELECT count(*) > 0 FROM lines)                                 AS has_orders
    FROM skus, range($weeks::INTEGER) AS weeks (week)
),
counted AS (
    SELECT
        every_week.sku,
        every_week.week,
        coalesce(units, 0)::BIGINT                                       AS units,
        CASE WHEN has_orders THEN 7 ELSE coalesce(kept_days, 0) END
            - coalesce(empty_days, 0)                                    AS open_days,
        CASE WHEN has_orders THEN 7 ELSE coalesce(kept_days, 0) END      AS known_days,
        coalesce(discounted_units, 0)::BIGINT                            AS discounted_units,
        coalesce(discount_amount, 0)                                     AS discount_amount,
        list_value
    FROM every_week
    LEFT JOIN sums USING (sku, week)
),
final AS (
    SELECT
        $shop                                                            AS shop,
        sku,
        week,
        units,
        open_days,
        CASE WHEN open_days >= 2 AND known_days >= 4
            THEN units * 7.0::DOUBLE / open_days END                     AS demand_units,
        discounted_units,
        discount_amount,
        list_value,
        (discount_amount / nullif(list_value, 0))::DOUBLE                AS depth
    FROM counted
)
SELECT * FROM final ORDER BY sku, week
