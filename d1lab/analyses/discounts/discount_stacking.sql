-- discount_stacking: orders by number of discounts, and whether they include a full-price line
-- unit: orders, customers, money, ratio      grain: stacked      reads: order_lines
-- $until: last day of the period
-- $days: length of the period, in days
-- stacked: Discounts per order
-- orders_with_codes: Orders with several codes, integer
-- with_full_price: With a full-price item, integer
-- assert: unique stacked
-- assert: orders_with_codes <= orders AND with_full_price <= orders
--
-- stacked: '0', '1', '2', '3', or '4 or more' different discounts. A discount with several codes
-- counts once per code.
WITH orders AS (
    SELECT
        order_id,
        any_value(customer_id)                                       AS customer_id,
        count(DISTINCT (discount_id, discount_code)) FILTER (discount_id IS NOT NULL)  AS discounts,
        count(DISTINCT discount_code)                                AS codes,
        bool_or(discount_id IS NULL)                                 AS with_full_price,
        sum(revenue)                                                 AS revenue,
        sum(discount_amount)                                         AS savings
    FROM order_lines
    WHERE shop = $shop
        AND type = 'order'
        AND day BETWEEN $until::DATE - $days::INTEGER + 1 AND $until::DATE
    GROUP BY order_id
),
final AS (
    SELECT
        CASE WHEN discounts >= 4 THEN '4 or more' ELSE discounts::VARCHAR END  AS stacked,
        count(*)                                                     AS orders,
        count(*) FILTER (codes > 1)                                  AS orders_with_codes,
        count(DISTINCT customer_id)                                  AS customers,
        count(*) FILTER (with_full_price)                            AS with_full_price,
        sum(revenue)                                                 AS revenue,
        sum(savings)                                                 AS savings,
        CASE WHEN least(sum(savings), sum(revenue)) >= 0
            THEN sum(savings) / nullif(sum(savings) + sum(revenue), 0) END  AS depth
    FROM orders
    GROUP BY ALL
)
SELECT * FROM final ORDER BY stacked
