-- customer_insights: purchases and discounts of each identified customer
-- unit: order lines, money, orders      grain: shop, customer_id      reads: order_lines
-- total_discounts_used: discounted order lines; total_savings: their discounts, net of refunds
-- favorite_discount_type: the type most used on order lines, ties by name; NULL without any
-- avg_order_value: revenue net of refunds / number of orders, to the cent
-- purchase_frequency: number of orders; last_purchase_date: the day of the latest
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
        max(day) FILTER (is_order)                                     AS last_purchase_date
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
        round((revenue / nullif(orders, 0))::DECIMAL(18, 6), 2)        AS avg_order_value,
        orders                                                         AS purchase_frequency,
        last_purchase_date
    FROM customers
    LEFT JOIN favorites USING (shop, customer_id)
)
SELECT * FROM final
