-- discount_weeks: sales of each SKU per week, in total and with each discount and code
-- unit: units, orders, money      grain: level, discount_id, discount_code, sku, week
-- reads: order_lines, inventory_days, products
-- $until: last day of the last week
-- $days: length of the history, in days; only whole weeks count
-- assert: unique level, discount_id, discount_code, sku, week
-- assert: week <= 0 AND first_week <= week
-- assert: units >= 0 AND orders >= 0
--
-- week: 0 is the last week, -1 the week before. level 'sku': all sales of the week, of SKUs sold in
-- the period; 'discount' and 'code': what was sold with it, if it was used in 10 or more orders;
-- 'closed': weeks with four or more days out of stock, in which sales say nothing about demand.
-- Columns finer than the level are NULL. first_week: week of the SKU's first sale ever. listed: at
-- list price; given: discounts given. Refunds are excluded: demand is what was sold, not kept.
-- Read again by each part, which needs few of the columns: all of them take gigabytes in large shops.
WITH ever AS NOT MATERIALIZED (
    SELECT
        sku,
        day,
        ($until::DATE - day) // 7                           AS weeks_ago,
        discount_id,
        discount_code,
        order_id,
        units,
        revenue + discount_amount                           AS listed,
        discount_amount                                     AS given
    FROM order_lines
    WHERE shop = $shop AND type = 'order' AND units > 0 AND day <= $until::DATE
),
began AS (
    SELECT sku, max(weeks_ago) AS weeks_ago FROM ever GROUP BY sku
),
lines AS NOT MATERIALIZED (
    FROM ever WHERE day > $until::DATE - $days::INTEGER // 7 * 7
),
closed AS (
    SELECT sku, ($until::DATE - day) // 7 AS weeks_ago
    FROM inventory_days
    SEMI JOIN lines USING (sku)
    WHERE shop = $shop
        AND day > $until::DATE - $days::INTEGER // 7 * 7
        AND day <= $until::DATE
        AND starting_units <= 0 AND units_sold <= 0
    GROUP BY ALL
    HAVING count(DISTINCT day) >= 4
),
categories AS (
    SELECT sku, max(category) AS category FROM products WHERE shop = $shop GROUP BY sku
),
used AS (
    SELECT
        CASE grouping(discount_code) WHEN 0 THEN 'code' ELSE 'discount' END  AS level,
        discount_id,
        discount_code
    FROM lines
    WHERE discount_id IS NOT NULL
    GROUP BY GROUPING SETS ((discount_id), (discount_id, discount_code))
    HAVING count(DISTINCT order_id) >= 10
        AND (grouping(discount_code) = 1 OR discount_code IS NOT NULL)
),
sold AS (
    SELECT
        'sku'                                               AS level,
        NULL::VARCHAR                                       AS discount_id,
        NULL::VARCHAR                                       AS discount_code,
        sku,
        weeks_ago,
        sum(units)::DOUBLE                                  AS units,
        count(DISTINCT order_id)                            AS orders,
        sum(listed)::DOUBLE                                 AS listed,
        sum(given)::DOUBLE                                  AS given
    FROM lines
    GROUP BY sku, weeks_ago
),
sold_with_it AS (
    SELECT
        CASE grouping(discount_code) WHEN 0 THEN 'code' ELSE 'discount' END  AS level,
        discount_id,
        discount_code,
        sku,
        weeks_ago,
        sum(units)::DOUBLE                                  AS units,
        count(DISTINCT order_id)                            AS orders,
        sum(listed)::DOUBLE                                 AS listed,
        sum(given)::DOUBLE                                  AS given
    FROM lines
    WHERE discount_id IN (SELECT discount_id FROM used)
    GROUP BY GROUPING SETS (
        (discount_id, sku, weeks_ago),
        (discount_id, discount_code, sku, weeks_ago)
    )
),
rows AS (
    FROM sold
    UNION ALL BY NAME
    SELECT sold_with_it.*
    FROM sold_with_it
    JOIN used ON sold_with_it.level = used.level
        AND sold_with_it.discount_id = used.discount_id
        AND sold_with_it.discount_code IS NOT DISTINCT FROM used.discount_code
    UNION ALL BY NAME
    SELECT 'closed' AS level, sku, weeks_ago FROM closed
),
final AS (
    SELECT
        level,
        discount_id,
        discount_code,
        sku,
        -rows.weeks_ago::INTEGER                            AS week,
        coalesce(units, 0)                                  AS units,
        coalesce(orders, 0)                                 AS orders,
        coalesce(listed, 0)                                 AS listed,
        coalesce(given, 0)                                  AS given,
        -began.weeks_ago::INTEGER                           AS first_week,
        category
    FROM rows
    JOIN began USING (sku)
    LEFT JOIN categories USING (sku)
)
SELECT * FROM final ORDER BY level, discount_id, discount_code, sku, week
