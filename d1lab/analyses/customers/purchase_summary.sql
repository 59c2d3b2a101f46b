-- purchase_summary: inputs of the lifetime value models per customer before a holdout period, and
-- the purchases in it
-- unit: purchases, days, money      grain: shop, customer_id      reads: customer_orders
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
WITH purchases AS (
    SELECT *, $until::DATE - $later_days::INTEGER AS past_end
    FROM customer_orders
    WHERE shop = $shop AND known_from <= $until::DATE AND day IS NOT NULL AND units > 0
),
days AS (
    SELECT
        customer_id,
        day,
        any_value(past_end)                                       AS past_end,
        sum(revenue) FILTER (past_end BETWEEN known_from AND known_to)       AS past,
        sum(revenue) FILTER ($until::DATE BETWEEN known_from AND known_to)   AS now
    FROM purchases
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
