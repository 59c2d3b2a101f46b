-- One row per customer's order and time between its changes, such as refunds: what was known of the
-- order from `known_from` to `known_to`. So each order is there once with
-- `WHERE $until BETWEEN known_from AND known_to`, as it was on that day. `day` is the day on which it
-- was placed; NULL if only refunds are known. Walk-in customers are left out.
WITH lines AS NOT MATERIALIZED (
    SELECT
        shop, customer_id, order_id, day, units, revenue,
        type = 'order'                                             AS is_order,
        type = 'order' AND discount_amount > 0                     AS is_discounted,
        if(type = 'refund', coalesce(-revenue, 0), 0)              AS refunded,
        hash(shop, customer_id, order_id)                          AS key
    FROM order_lines
    WHERE customer_id IS NOT NULL
),
-- Few orders change, and only those need sums up to each day. Two orders of one key do no harm: an
-- order without a change comes out the same below.
changed AS (
    SELECT key FROM lines GROUP BY shop, key HAVING min(day) < max(day)
),
unchanged_orders AS (
    SELECT
        shop, customer_id, order_id,
        min(day) FILTER (is_order)                                 AS day,
        min(day)                                                   AS known_from,
        DATE '9999-12-31'                                          AS known_to,
        sum(units)                                                 AS units,
        sum(revenue)                                               AS revenue,
        sum(refunded)                                              AS refunded,
        bool_or(is_discounted)                                     AS discounted
    FROM lines
    ANTI JOIN changed USING (key)
    GROUP BY shop, customer_id, order_id
),
changes AS (
    SELECT
        shop, customer_id, order_id,
        day                                                        AS known_from,
        min(day) FILTER (is_order)                                 AS day,
        sum(units)                                                 AS units,
        sum(revenue)                                               AS revenue,
        sum(refunded)                                              AS refunded,
        bool_or(is_discounted)                                     AS discounted
    FROM lines
    SEMI JOIN changed USING (key)
    GROUP BY shop, customer_id, order_id, lines.day
),
changed_orders AS (
    SELECT
        shop, customer_id, order_id, known_from,
        min(day) OVER so_far                                       AS day,
        lead(known_from - 1, 1, DATE '9999-12-31') OVER so_far     AS known_to,
        sum(units) OVER so_far                                     AS units,
        sum(revenue) OVER so_far                                   AS revenue,
        sum(refunded) OVER so_far                                  AS refunded,
        bool_or(discounted) OVER so_far                            AS discounted
    FROM changes
    WINDOW so_far AS (PARTITION BY shop, customer_id, order_id ORDER BY known_from)
),
orders AS (
    FROM unchanged_orders
    UNION ALL BY NAME
    FROM changed_orders
)
SELECT * FROM orders ANTI JOIN walk_in_customers USING (shop, customer_id)
