-- purchase_summary: inputs of the lifetime value models per customer before a holdout period, and
-- the purchases in it
-- unit: purchases, days, money      grain: shop, customer_id      reads: order_lines, walk_in_customers
-- $until: last day included
-- $later_days: days held out at the end; 0 for none
-- assert: unique shop, customer_id
-- assert: repeats <= purchases
-- assert: last_days BETWEEN 0 AND observed_days
-- assert: purchases_now >= later_purchases
--
-- Orders on one day count as one purchase; a fully returned order does not count. The period before
-- the holdout excludes later refunds, which were not known then. Columns `..._now` have the same of
-- the whole time, as known on `$until`, so that a forecast and its backtest read the orders once.
WITH walk_ins AS (
    -- A list: DuckDB takes the few IDs for many, and would join with all lines on the wrong side.
    SELECT coalesce(list(customer_id), []) FROM walk_in_customers WHERE shop = $shop
),
lines AS (
    SELECT *, $until::DATE - $later_days::INTEGER AS past_end
    FROM order_lines
    WHERE
        shop = $shop AND day <= $until::DATE AND customer_id IS NOT NULL
        AND NOT list_contains((FROM walk_ins), customer_id)
),
orders AS (
    SELECT
        customer_id,
        any_value(past_end)                                       AS past_end,
        min(day) FILTER (type = 'order')                          AS day,
        sum(units) FILTER (day <= past_end)                       AS units_then,
        sum(revenue) FILTER (day <= past_end)                     AS revenue_then,
        sum(units)                                                AS units,
        sum(revenue)                                              AS revenue
    FROM lines
    GROUP BY customer_id, order_id
),
days AS (
    SELECT
        customer_id,
        day,
        any_value(past_end)                                       AS past_end,
        sum(revenue_then) FILTER (units_then > 0)                 AS past,  -- NULL: no purchase
        sum(revenue) FILTER (units > 0)                           AS now
    FROM orders
    WHERE day IS NOT NULL
    GROUP BY customer_id, day
),
customers AS (
    SELECT
        customer_id,
        any_value(past_end)                                       AS past_end,
        count(past)                                               AS purchases,
        count(now)                                                AS purchases_now,
        min(day) FILTER (now IS NOT NULL)                         AS first_day_now,
        max(day) FILTER (now IS NOT NULL)                         AS last_day_now,
        sum(now)                                                  AS spend_now,
        arg_min(now, day) FILTER (now IS NOT NULL)                AS first_spend_now,
        min(day) FILTER (past IS NOT NULL)                        AS first_day,
        max(day) FILTER (past IS NOT NULL)                        AS last_day,
        sum(past)                                                 AS spend,
        arg_min(past, day) FILTER (past IS NOT NULL)              AS first_spend,
        count(past) FILTER (day > past_end - $later_days::INTEGER)  AS recent_purchases,
        sum(past) FILTER (day > past_end - $later_days::INTEGER)  AS recent_spend,
        count(now) FILTER (day > past_end)                        AS later_purchases,
        sum(now) FILTER (day > past_end)                          AS later_spend
    FROM days
    GROUP BY customer_id
),
final AS (
    SELECT
        $shop                                                     AS shop,
        customer_id,
        purchases,
        greatest(purchases - 1, 0)                                AS repeats,
        last_day - first_day                                      AS last_days,
        past_end - first_day                                      AS observed_days,
        coalesce((spend - first_spend) / nullif(purchases - 1, 0), 0)  AS mean_spend,
        coalesce(spend, 0)                                        AS spend,
        recent_purchases,
        coalesce(recent_spend, 0)                                 AS recent_spend,
        later_purchases,
        coalesce(later_spend, 0)                                  AS later_spend,
        purchases_now,
        greatest(purchases_now - 1, 0)                            AS repeats_now,
        last_day_now - first_day_now                              AS last_days_now,
        $until::DATE - first_day_now                              AS observed_days_now,
        coalesce((spend_now - first_spend_now) / nullif(purchases_now - 1, 0), 0)  AS mean_spend_now,
        coalesce(spend_now, 0)                                    AS spend_now
    FROM customers
    WHERE purchases + purchases_now > 0
)
SELECT * FROM final ORDER BY customer_id
