-- customer_cohorts: customers by month of first purchase, with buyers and spend in each later month
-- unit: customers, money      grain: shop, cohort, month_number      reads: customer_orders
-- $until: last day included
-- month_number: Months since first purchase
-- active_customers: Active customers, integer
-- retention: Retention, percent
-- cumulative_per_customer: Cumulative spend per customer, money
-- assert: unique shop, cohort, month_number
-- assert: retention BETWEEN 0 AND 1
-- assert: active_customers <= customers
--
-- month_number: 0 is the month of the first purchase; complete: whether the month has ended.
WITH months AS (
    -- A fully returned order is no purchase.
    SELECT customer_id, date_trunc('month', day)::DATE AS month, sum(revenue) AS revenue
    FROM customer_orders
    WHERE
        shop = $shop AND $until::DATE BETWEEN known_from AND known_to
        AND day IS NOT NULL AND units > 0
    GROUP BY ALL
),
firsts AS (
    SELECT *, min(month) OVER (PARTITION BY customer_id) AS cohort FROM months
),
cohorts AS (
    SELECT cohort, count(DISTINCT customer_id) AS customers FROM firsts GROUP BY cohort
),
-- A month without a purchase is a zero, not a gap.
grid AS (
    SELECT
        cohort,
        customers,
        unnest(generate_series(cohort, $until::DATE, INTERVAL 1 MONTH))::DATE AS month
    FROM cohorts
),
active AS (
    SELECT cohort, month, count(*) AS active_customers, sum(revenue) AS revenue
    FROM firsts
    GROUP BY cohort, month
),
final AS (
    SELECT
        $shop                                                     AS shop,
        cohort,
        date_diff('month', cohort, month)                         AS month_number,
        last_day(month) <= $until::DATE                           AS complete,
        customers,
        coalesce(active_customers, 0)                             AS active_customers,
        coalesce(active_customers, 0) / customers                 AS retention,
        coalesce(revenue, 0)                                      AS revenue,
        sum(coalesce(revenue, 0)) OVER until_then                 AS cumulative_revenue,
        sum(coalesce(revenue, 0)) OVER until_then / customers     AS cumulative_per_customer
    FROM grid
    LEFT JOIN active USING (cohort, month)
    WINDOW until_then AS (PARTITION BY cohort ORDER BY month)
)
SELECT * FROM final ORDER BY cohort, month_number
