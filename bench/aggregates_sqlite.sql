-- The app's four tables of counters in SQLite, for bench.aggregates.
-- Equivalent to the SQL files of `d1lab aggregate`. Refunds are negative; times are sortable text.
CREATE TEMP VIEW order_lines AS
SELECT
    *,
    date(occurred_at)                                          AS day,
    type = 'order'                                             AS is_order,
    iif(type = 'refund', -1, 1)                                AS sign
FROM order_events;

CREATE TABLE made.discount_analytics AS
WITH latest AS (
    SELECT
        shop, discount_id, sku, discount_code,
        row_number() OVER (
            PARTITION BY shop, discount_id, sku ORDER BY occurred_at DESC, event_id DESC
        ) AS place
    FROM order_lines
    WHERE discount_code IS NOT NULL AND discount_id IS NOT NULL AND is_order
),
sums AS (
    SELECT
        shop, discount_id, sku,
        sum(is_order)                                          AS times_used,
        sum(sign * revenue) + sum(sign * discount_amount)      AS revenue_before_discount,
        sum(sign * discount_amount)                            AS discount_amount,
        sum(sign * revenue)                                    AS revenue_after_discount,
        count(DISTINCT iif(is_order, customer_id, NULL))       AS unique_customers,
        count(iif(is_order, customer_id, NULL))
            - count(DISTINCT iif(is_order, customer_id, NULL)) AS repeat_usage_count,
        min(iif(is_order, occurred_at, NULL))                  AS first_used_at,
        max(iif(is_order, occurred_at, NULL))                  AS last_used_at
    FROM order_lines
    WHERE discount_id IS NOT NULL
    GROUP BY shop, discount_id, sku
)
SELECT sums.*, discount_code
FROM sums
LEFT JOIN latest ON place = 1 AND latest.shop = sums.shop
    AND latest.discount_id = sums.discount_id AND latest.sku = sums.sku;

CREATE TABLE made.daily_discount_stats AS
SELECT
    shop,
    day                                                        AS date,
    sum(is_order)                                              AS total_discounts_used,
    count(DISTINCT iif(is_order, customer_id, NULL))           AS unique_customers,
    sum(sign * revenue)                                        AS total_revenue_impact
FROM order_lines
WHERE discount_id IS NOT NULL
GROUP BY shop, day;

CREATE TABLE made.product_performance AS
WITH latest AS (
    SELECT
        shop, sku, product_title,
        row_number() OVER (PARTITION BY shop, sku ORDER BY occurred_at DESC, event_id DESC) AS place
    FROM order_lines
    WHERE product_title IS NOT NULL
),
sums AS (
    SELECT
        shop, sku,
        sum(iif(discount_id IS NOT NULL, sign * quantity, 0))         AS units_sold_with_discount,
        sum(iif(discount_id IS NULL, sign * quantity, 0))             AS units_sold_without_discount,
        sum(iif(discount_id IS NOT NULL, sign * discount_amount, 0))  AS total_discount_given,
        sum(iif(discount_id IS NOT NULL, sign * revenue, 0))          AS revenue_with_discount,
        sum(iif(discount_id IS NULL, sign * revenue, 0))              AS revenue_without_discount,
        max(occurred_at)                                              AS updated_at
    FROM order_lines
    GROUP BY shop, sku
)
SELECT sums.*, product_title
FROM sums
LEFT JOIN latest ON place = 1 AND latest.shop = sums.shop AND latest.sku = sums.sku;

CREATE TABLE made.customer_insights AS
WITH types AS (
    SELECT
        shop, customer_id, discount_type,
        row_number() OVER (
            PARTITION BY shop, customer_id ORDER BY count(*) DESC, discount_type
        ) AS place
    FROM order_lines
    WHERE is_order AND discount_id IS NOT NULL AND discount_type IS NOT NULL
        AND customer_id IS NOT NULL
    GROUP BY shop, customer_id, discount_type
),
sums AS (
    SELECT
        shop, customer_id,
        sum(is_order AND discount_id IS NOT NULL)                     AS total_discounts_used,
        sum(iif(discount_id IS NOT NULL, sign * discount_amount, 0))  AS total_savings,
        sum(sign * revenue)                                           AS revenue,
        count(DISTINCT iif(is_order, order_id, NULL))                 AS orders,
        max(iif(is_order, date(occurred_at), NULL))                   AS last_purchase_date
    FROM order_lines
    WHERE customer_id IS NOT NULL
    GROUP BY shop, customer_id
)
SELECT
    sums.shop,
    sums.customer_id,
    total_discounts_used,
    total_savings,
    discount_type                                                     AS favorite_discount_type,
    round(revenue / nullif(orders, 0), 2)                             AS avg_order_value,
    orders                                                            AS purchase_frequency,
    last_purchase_date
FROM sums
LEFT JOIN types ON place = 1 AND types.shop = sums.shop AND types.customer_id = sums.customer_id;
