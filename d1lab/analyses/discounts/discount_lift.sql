-- discount_lift: units and orders of each SKU in its regular weeks and in its discounted weeks
-- unit: units, orders, ratio      grain: level, discount_id, discount_code, sku, week
-- reads: order_lines
-- $until: last day of the last week
-- $days: length of the history, in days; only whole weeks count
--
-- week: 0 is the last week, -1 the week before. level 'regular': less than 2% off. A week counts as
-- discounted if at least half of the SKU's units had a discount: any discount for 'sku', this one
-- for 'discount' and 'code'. Columns finer than the level are NULL. units, orders, and depth cover
-- the whole week. SKUs with less than 1.5 orders per week with a sale are excluded, because their
-- weeks have almost no information. Refunds are excluded: demand is what was sold, not kept.
WITH lines AS (
    SELECT
        sku,
        ($until::DATE - day) // 7                           AS weeks_ago,
        discount_id,
        discount_code,
        order_id,
        units,
        revenue,
        discount_amount
    FROM order_lines
    WHERE shop = $shop
        AND type = 'order'
        AND units > 0
        AND day BETWEEN $until::DATE - $days::INTEGER // 7 * 7 + 1 AND $until::DATE
),
sku_weeks AS (
    SELECT
        sku,
        weeks_ago,
        sum(units)                                          AS units,
        count(DISTINCT order_id)                            AS orders,
        coalesce(sum(discount_amount)::DOUBLE
            / nullif(sum(revenue + discount_amount)::DOUBLE, 0), 0)  AS depth
    FROM lines
    GROUP BY sku, weeks_ago
    QUALIFY avg(count(DISTINCT order_id)) OVER (PARTITION BY sku) >= 1.5
),
discounted AS (
    SELECT
        CASE grouping(discount_id, discount_code)
            WHEN 0 THEN 'code' WHEN 1 THEN 'discount' ELSE 'sku' END  AS level,
        discount_id,
        discount_code,
        sku,
        weeks_ago,
        sum(units)                                          AS discounted_units
    FROM lines
    SEMI JOIN sku_weeks USING (sku)
    WHERE discount_id IS NOT NULL
    GROUP BY GROUPING SETS (
        (sku, weeks_ago),
        (discount_id, sku, weeks_ago),
        (discount_id, discount_code, sku, weeks_ago)
    )
),
final AS (
    SELECT
        'regular'                                           AS level,
        NULL::VARCHAR                                       AS discount_id,
        NULL::VARCHAR                                       AS discount_code,
        sku,
        -weeks_ago                                          AS week,
        units::BIGINT                                       AS units,
        orders,
        depth
    FROM sku_weeks
    WHERE depth < .02
    UNION ALL
    SELECT level, discount_id, discount_code, sku, -weeks_ago, units::BIGINT, orders, depth
    FROM discounted
    JOIN sku_weeks USING (sku, weeks_ago)
    WHERE discounted_units >= units / 2
        AND depth >= .02
        AND (level <> 'code' OR discount_code IS NOT NULL)
)
SELECT * FROM final ORDER BY level, discount_id, discount_code, sku, week
