-- discount_dashboard: discounts in use, discounted order lines, discounts given, and reach, in a
-- period and in the previous one
-- unit: order lines, money, customers, SKUs      grain: measure      reads: order_lines
-- $until: last day of the period
-- $days: length of the period, in days; the previous period is as long
-- discounts: Active discounts, integer
-- savings: Discounts given, money
-- skus: Discounted SKUs, integer
-- uses: Discounted order lines, integer
-- assert: unique measure
-- assert: active_days BETWEEN 0 AND days
--
-- `before` is NULL if the shop's data does not cover the whole previous period. Sums of squares
-- are of daily amounts, for the daily variation; distinct counts have none.
WITH history AS (
    SELECT min(day) AS first_day FROM order_lines WHERE shop = $shop
),
lines AS (
    SELECT *, day > $until::DATE - $days::INTEGER AS now, type = 'order' AS is_use
    FROM order_lines
    WHERE shop = $shop
        AND discount_id IS NOT NULL
        AND day BETWEEN $until::DATE - 2 * $days::INTEGER + 1 AND $until::DATE
),
daily AS (
    SELECT
        now,
        day,
        (count(*) FILTER (is_use))::DOUBLE AS uses,
        sum(discount_amount)::DOUBLE       AS savings,
        sum(revenue)::DOUBLE               AS discounted_revenue
    FROM lines
    GROUP BY now, day
),
-- In the order of the days: in another one, sums differ in their last digit.
sums AS (
    SELECT
        measure,
        coalesce(sum(amount ORDER BY day) FILTER (now), 0)               AS value,
        coalesce(sum(amount ORDER BY day) FILTER (NOT now), 0)           AS value_before,
        coalesce(sum(amount * amount ORDER BY day) FILTER (now), 0)      AS squares,
        coalesce(sum(amount * amount ORDER BY day) FILTER (NOT now), 0)  AS squares_before,
        least(count(*) FILTER (now), count(*) FILTER (NOT now))          AS active_days
    FROM daily UNPIVOT (amount FOR measure IN (uses, savings, discounted_revenue))
    GROUP BY measure
),
distincts AS (
    SELECT
        count(DISTINCT discount_id) FILTER (now AND is_use)      AS discounts,
        count(DISTINCT discount_id) FILTER (NOT now AND is_use)  AS discounts_before,
        count(DISTINCT sku) FILTER (now AND is_use)              AS skus,
        count(DISTINCT sku) FILTER (NOT now AND is_use)          AS skus_before,
        count(DISTINCT customer_id) FILTER (now AND is_use)      AS customers,
        count(DISTINCT customer_id) FILTER (NOT now AND is_use)  AS customers_before
    FROM lines
),
measures AS (
    SELECT order_by, measure, value, value_before, squares, squares_before, active_days
    FROM (VALUES (2, 'uses'), (3, 'savings'), (4, 'discounted_revenue')) AS additive (order_by, measure)
    LEFT JOIN sums USING (measure)
    UNION ALL
    SELECT 1, 'discounts', discounts, discounts_before, NULL, NULL, NULL FROM distincts
    UNION ALL
    SELECT 5, 'skus', skus, skus_before, NULL, NULL, NULL FROM distincts
    UNION ALL
    SELECT 6, 'customers', customers, customers_before, NULL, NULL, NULL FROM distincts
),
final AS (
    SELECT
        order_by,
        measure,
        coalesce(value, 0)                                                    AS value,
        CASE WHEN first_day <= $until::DATE - 2 * $days::INTEGER + 1
            THEN coalesce(value_before, 0) END                                AS before,
        squares,
        squares_before,
        $days::INTEGER                                                        AS days,
        active_days
    FROM measures, history
)
SELECT * EXCLUDE (order_by) FROM final ORDER BY order_by
