-- customer_insights: what each identified customer bought, and with which discounts
-- unit: order lines, money, orders per 30 days      grain: shop, customer_id      reads: order_lines
-- total_discounts_used: discounted order lines; total_savings: their discounts, net of refunds
-- favorite_discount_type: the type most used on order lines, ties by name; NULL without any
-- avg_order_value: revenue net of refunds / number of orders; orders of one day are not merged
-- purchase_frequency: (orders - 1) x 30 days / time from the first to the last order, to 6
--   places; NULL with less than a day between them, so with one order too
-- first_purchase_date, last_purchase_date: of the order lines
-- event_count: order lines and refunds behind the row; 0 when all of them were deleted
WITH lines AS (
    SELECT *, type = 'order' AS is_order
    FROM order_lines
    WHERE customer_id IS NOT NULL
),
types AS (
    SELECT shop, customer_id, discount_type, count(*) AS uses
    FROM lines
    WHERE is_order AND discount_id IS NOT NULL AND discount_type IS NOT NULL
    GROUP BY shop, customer_id, discount_type
),
favorites AS (
    SELECT shop, customer_id, arg_min(discount_type, (-uses, discount_type)) AS discount_type
    FROM types
    GROUP BY shop, customer_id
),
customers AS (
    SELECT
        shop,
        customer_id,
        count(*) FILTER (is_order AND discount_id IS NOT NULL)         AS total_discounts_used,
        coalesce(sum(discount_amount) FILTER (discount_id IS NOT NULL), 0)  AS total_savings,
        sum(revenue)                                                   AS revenue,
        count(DISTINCT order_id) FILTER (is_order)                     AS orders,
        min(occurred_at) FILTER (is_order)                             AS first_purchase_date,
        max(occurred_at) FILTER (is_order)                             AS last_purchase_date,
        count(*)                                                       AS event_count
    FROM lines
    GROUP BY shop, customer_id
),
final AS (
    SELECT
        shop,
        customer_id,
        total_discounts_used,
        total_savings,
        favorites.discount_type                                        AS favorite_discount_type,
        (revenue / nullif(orders, 0))::DECIMAL(18, 6)                  AS avg_order_value,
        CASE WHEN last_purchase_date - first_purchase_date >= INTERVAL 1 DAY
            THEN round(
                (orders - 1) * 30 * 86400
                / date_diff('second', first_purchase_date, last_purchase_date), 6
            ) END                                                      AS purchase_frequency,
        first_purchase_date,
        last_purchase_date,
        event_count
    FROM customers
    LEFT JOIN favorites USING (shop, customer_id)
)
SELECT * FROM final
