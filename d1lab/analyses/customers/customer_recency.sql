-- customer_recency: customer count and last purchase from the app's customer table, without orders
-- unit: customers, days, money      grain: shop      reads: customers
-- $until: last day included
-- assert: unique shop
-- assert: within_30_days <= within_90_days AND within_90_days <= within_365_days
-- assert: with_last_purchase <= customers
--
-- Without orders, the number of purchases, spend, and first purchase are unknown: no group, no
-- lifetime value. The app's purchase_frequency is not used, because its unit is not documented.
WITH known AS (
    SELECT *, $until::DATE - last_purchase_day AS days
    FROM customers
    WHERE shop = $shop
),
final AS (
    SELECT
        $shop                                                     AS shop,
        count(*)                                                  AS customers,
        count(days)                                               AS with_last_purchase,
        count(*) FILTER (days BETWEEN 0 AND 29)                   AS within_30_days,
        count(*) FILTER (days BETWEEN 0 AND 89)                   AS within_90_days,
        count(*) FILTER (days BETWEEN 0 AND 364)                  AS within_365_days,
        median(days)                                              AS median_days_since_purchase,
        avg(average_order_value)                                  AS average_order_value,
        avg((discounts_used > 0)::INTEGER)                        AS used_a_discount,
        sum(savings)                                              AS savings
    FROM known
)
SELECT * FROM final
