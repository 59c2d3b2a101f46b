-- counted_dashboard: discount totals over a period from the app's own counters, for a shop without
-- order events
-- unit: uses, money, discounts, SKUs, customers      grain: measure      reads: daily_discounts, discount_totals
-- $until: last day of the period
-- $days: length of the period, in days; the previous period is as long
-- assert: unique measure
-- assert: customers_low <= customers_high
--
-- A day without a row counts as a day without a use. discounts and skus: number with their last use
-- in the period; NULL if one was used later, or if its last use is not stored, because then it is
-- unknown whether it was used in the period. customers_low, customers_high: a customer counts once
-- per day, so daily counts give only bounds: the largest day and the sum of all days. Other columns
-- as in discount_dashboard.
WITH days AS (
    SELECT day, sum(times_used) AS uses, sum(revenue_impact) AS revenue_impact,
        sum(unique_customers) AS customers
    FROM daily_discounts
    WHERE shop = $shop AND day <= $until::DATE
    GROUP BY day
),
lines AS (
    SELECT *, day > $until::DATE - $days::INTEGER AS now,
        min(day) OVER () <= $until::DATE - 2 * $days::INTEGER + 1 AS reaches_back
    FROM days
),
daily AS (
    SELECT now, reaches_back, uses::DOUBLE AS uses, revenue_impact::DOUBLE AS revenue_impact
    FROM lines
    WHERE day > $until::DATE - 2 * $days::INTEGER
),
sums AS (
    SELECT
        measure,
        coalesce(sum(amount) FILTER (now), 0)               AS value,
        CASE WHEN bool_or(reaches_back)
            THEN coalesce(sum(amount) FILTER (NOT now), 0) END  AS before,
        coalesce(sum(amount * amount) FILTER (now), 0)      AS squares,
        coalesce(sum(amount * amount) FILTER (NOT now), 0)  AS squares_before,
        least(count(*) FILTER (now), count(*) FILTER (NOT now))  AS active_days
    FROM daily UNPIVOT (amount FOR measure IN (uses, revenue_impact))
    GROUP BY measure
),
reach AS (
    SELECT max(customers) AS customers_low, sum(customers) AS customers_high FROM lines WHERE now
),
used AS (
    SELECT *,
        last_used_day BETWEEN $until::DATE - $days::INTEGER + 1 AND $until::DATE  AS now,
        last_used_day IS NULL OR last_used_day > $until::DATE                      AS untold
    FROM discount_totals
    WHERE shop = $shop AND (times_used > 0 OR discount_amount <> 0)
        AND (first_used_day IS NULL OR first_used_day <= $until::DATE)
),
distincts AS (
    SELECT
        CASE WHEN NOT bool_or(untold)
            THEN count(DISTINCT discount_id) FILTER (now) END  AS discounts,
        CASE WHEN NOT bool_or(untold)
            THEN count(DISTINCT sku) FILTER (now) END          AS skus
    FROM used
),
measures AS (
    SELECT order_by, measure, value, before, squares, squares_before, active_days
    FROM (VALUES (1, 'uses'), (2, 'revenue_impact')) AS additive (order_by, measure)
    LEFT JOIN sums USING (measure)
    UNION ALL
    SELECT 3, 'discounts', discounts, NULL, NULL, NULL, NULL FROM distincts
    UNION ALL
    SELECT 4, 'skus', skus, NULL, NULL, NULL, NULL FROM distincts
    UNION ALL
    SELECT 5, 'customers', NULL, NULL, NULL, NULL, NULL
),
final AS (
    SELECT
        order_by,
        measure,
        value::DOUBLE                                       AS value,
        before::DOUBLE                                      AS before,
        squares,
        squares_before,
        $days::INTEGER                                      AS days,
        active_days,
        CASE measure WHEN 'customers' THEN customers_low END   AS customers_low,
        CASE measure WHEN 'customers' THEN customers_high END  AS customers_high
    FROM measures CROSS JOIN reach
)
SELECT * EXCLUDE (order_by) FROM final ORDER BY order_by
