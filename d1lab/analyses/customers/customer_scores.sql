-- customer_scores: each customer's purchases up to a day, with R, F, and M scores and RFM group
-- unit: days, purchases, money      grain: shop, customer_id      reads: customer_orders, customers, walk_in_customers
-- $until: last day included
-- $mode: 'quintile' (ties share a score) or 'ntile' (five equal parts, as Shopify's screen)
-- purchases: Purchases, integer
-- spend: Total spend, money
-- rfm_group: Group
-- assert: unique shop, customer_id
-- assert: r_score BETWEEN 1 AND 5 AND f_score BETWEEN 1 AND 5 AND m_score BETWEEN 1 AND 5
-- assert: first_day <= last_day AND last_day <= $until::DATE
-- check: mode=quintile
WITH purchases AS (
    -- A fully returned order is not a purchase; amounts that were not refunded still count as spend.
    SELECT *, day IS NOT NULL AND units > 0 AS kept
    FROM customer_orders
    WHERE shop = $shop AND $until::DATE BETWEEN known_from AND known_to
),
days AS (
    SELECT
        customer_id,
        day,
        count(*) FILTER (kept)                                    AS orders,
        count(*) FILTER (kept AND discounted)                     AS discounted_orders,
        count(*) FILTER (day IS NOT NULL AND NOT kept)            AS cancelled_orders,
        sum(revenue)                                              AS spend,
        sum(refunded)                                             AS refunded
    FROM purchases
    GROUP BY customer_id, day
),
buyers AS (
    SELECT
        customer_id,
        count(*) FILTER (orders > 0)                              AS purchases,
        min(day) FILTER (orders > 0)                              AS first_day,
        max(day) FILTER (orders > 0)                              AS last_day,
        coalesce(sum(spend), 0)                                   AS spend,
        sum(orders)::BIGINT                                       AS orders,
        sum(discounted_orders)::BIGINT                            AS discounted_orders,
        sum(cancelled_orders)::BIGINT                             AS cancelled_orders,
        sum(refunded)                                             AS refunded
    FROM days
    GROUP BY customer_id
),
-- The end of each fifth but the last: 1 + 5 * (strictly worse ones) // buyers is 1 more for each end
-- below a value. Ranks would sort all customers three times.
shop AS (
    SELECT
        count(*)                                                  AS buyers,
        median(spend)                                             AS median_spend,
        median((last_day - first_day) / (purchases - 1)) FILTER (purchases > 1)  AS median_gap_days,
        quantile_disc(last_day, [.2, .4, .6, .8])                 AS r_ends,
        quantile_disc(purchases, [.2, .4, .6, .8])                AS f_ends,
        quantile_disc(spend, [.2, .4, .6, .8])                    AS m_ends,
        min(last_day) < max(last_day)                             AS r_says,
        min(purchases) < max(purchases)                           AS f_says,
        min(spend) < max(spend)                                   AS m_says
    FROM buyers
    WHERE purchases > 0
),
tiles AS (
    SELECT
        customer_id,
        ntile(5) OVER (ORDER BY last_day, customer_id)            AS r_tile,
        ntile(5) OVER (ORDER BY purchases, customer_id)           AS f_tile,
        ntile(5) OVER (ORDER BY spend, customer_id)               AS m_tile
    FROM buyers
    WHERE purchases > 0 AND $mode = 'ntile'
),
ranked AS (
    SELECT
        *,
        $until::DATE - last_day                                   AS days,
        1 + len([1 FOR x IN r_ends IF x < last_day])              AS r_fifth,
        1 + len([1 FOR x IN f_ends IF x < purchases])             AS f_fifth,
        1 + len([1 FOR x IN m_ends IF x < spend])                 AS m_fifth
    FROM buyers
    LEFT JOIN tiles USING (customer_id)
    CROSS JOIN shop
    WHERE purchases > 0
),
-- Below 50 customers, quintiles are noise: fixed thresholds on the shop's median gap and spend.
scored AS (
    SELECT
        customer_id, purchases, orders, discounted_orders, spend, first_day, last_day, days,
        cancelled_orders, refunded, buyers,
        CASE
            WHEN NOT r_says THEN NULL
            WHEN $mode = 'ntile' THEN r_tile
            WHEN buyers >= 50 THEN r_fifth
            WHEN days <= .5 * median_gap_days THEN 5
            WHEN days <= median_gap_days THEN 4
            WHEN days <= 2 * median_gap_days THEN 3
            WHEN days <= 3 * median_gap_days THEN 2
            WHEN median_gap_days IS NOT NULL THEN 1
        END                                                       AS r_score,
        CASE
            WHEN NOT f_says THEN NULL
            WHEN $mode = 'ntile' THEN f_tile
            WHEN buyers >= 50 THEN f_fifth
            WHEN purchases >= 10 THEN 5
            WHEN purchases >= 5 THEN 4
            WHEN purchases >= 3 THEN 3
            ELSE purchases
        END                                                       AS f_score,
        CASE
            WHEN NOT m_says THEN NULL
            WHEN $mode = 'ntile' THEN m_tile
            WHEN buyers >= 50 THEN m_fifth
            WHEN median_spend <= 0 THEN NULL
            WHEN spend >= 2 * median_spend THEN 5
            WHEN spend >= 1.25 * median_spend THEN 4
            WHEN spend >= .8 * median_spend THEN 3
            WHEN spend >= .5 * median_spend THEN 2
            ELSE 1
        END                                                       AS m_score
    FROM ranked
),
grouped AS (
    SELECT
        *,
        CASE
            WHEN r_score + f_score + m_score IS NULL THEN NULL
            WHEN r_score = 5 THEN CASE
                WHEN f_score + m_score <= 2 THEN 'New'
                WHEN f_score + m_score <= 6 THEN 'Active'
                ELSE 'Champions' END
            WHEN r_score = 4 THEN CASE
                WHEN f_score + m_score <= 2 THEN 'Promising'
                WHEN f_score + m_score <= 6 THEN 'Active'
                ELSE 'Loyal' END
            WHEN r_score = 3 THEN CASE
                WHEN f_score + m_score <= 4 THEN 'Almost lost'
                WHEN f_score + m_score <= 6 THEN 'Needs attention'
                ELSE 'Loyal' END
            ELSE CASE
                WHEN f_score + m_score <= 4 THEN 'Dormant'
                WHEN f_score + m_score <= 8 THEN 'At risk'
                ELSE 'Previously loyal' END
        END                                                       AS rfm_group,
        CASE
            WHEN f_score IS NULL THEN 'frequency_says_nothing'
            WHEN r_score IS NULL THEN 'recency_says_nothing'
            WHEN m_score IS NULL THEN 'spend_says_nothing'
        END                                                       AS reason,
        CASE WHEN buyers < 50 THEN 'fixed_rules' WHEN buyers < 200 THEN 'low' ELSE 'normal' END
                                                                  AS confidence
    FROM scored
),
-- Customers without a purchase, or with only returned ones.
prospects AS (
    SELECT customer_id, cancelled_orders, refunded FROM buyers WHERE purchases = 0
    UNION ALL BY NAME
    SELECT DISTINCT customer_id
    FROM customers
    ANTI JOIN buyers USING (customer_id)
    ANTI JOIN (FROM walk_in_customers WHERE shop = $shop) USING (customer_id)
    WHERE shop = $shop
),
final AS (
    SELECT
        $shop AS shop, customer_id, purchases, orders, discounted_orders, spend, first_day,
        last_day, days, r_score, f_score, m_score, rfm_group, reason, confidence,
        cancelled_orders, refunded
    FROM grouped
    UNION ALL BY NAME
    SELECT
        $shop AS shop, customer_id, 0 AS purchases, 0 AS orders, 0 AS discounted_orders,
        0 AS spend, 'Prospects' AS rfm_group, coalesce(cancelled_orders, 0) AS cancelled_orders,
        coalesce(refunded, 0) AS refunded
    FROM prospects
)
SELECT * REPLACE (
    r_score::BIGINT AS r_score, f_score::BIGINT AS f_score, m_score::BIGINT AS m_score
) FROM final ORDER BY customer_id
