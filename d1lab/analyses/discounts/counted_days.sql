-- counted_days: the app's own discount counters per day, including days without a row
-- unit: uses, money, customers      grain: day      reads: daily_discounts
-- $until: last day included
-- $days: number of days
-- revenue_impact: Revenue impact (app counter), money
-- customers_of_day: Customers that day, integer
-- assert: unique day
-- assert: times_used >= 0
--
-- The days start with the first day that the app has counted, if that is later.
WITH known AS (
    SELECT min(day) AS first_day FROM daily_discounts WHERE shop = $shop
),
days AS (
    SELECT unnest(generate_series(
        greatest(first_day, $until::DATE - $days::INTEGER + 1), $until::DATE, INTERVAL 1 DAY
    ))::DATE AS day
    FROM known
),
daily AS (
    SELECT
        day,
        sum(times_used)        AS times_used,
        sum(revenue_impact)    AS revenue_impact,
        sum(unique_customers)  AS customers_of_day
    FROM daily_discounts
    WHERE shop = $shop AND day BETWEEN $until::DATE - $days::INTEGER + 1 AND $until::DATE
    GROUP BY day
),
final AS (
    SELECT
        day,
        coalesce(times_used, 0)        AS times_used,
        coalesce(revenue_impact, 0)    AS revenue_impact,
        coalesce(customers_of_day, 0)  AS customers_of_day
    FROM days
    LEFT JOIN daily USING (day)
)
SELECT * FROM final ORDER BY day
