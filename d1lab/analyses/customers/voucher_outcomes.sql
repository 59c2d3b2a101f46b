-- voucher_outcomes: purchases, revenue, and profit of the customers of each voucher test, by stratum
-- and half, in the days after the voucher was sent
-- unit: customers, orders, money      grain: shop, voucher, stratum, is_sent
-- reads: voucher_tests, voucher_customers, order_lines, product_costs
-- $until: last day included
-- voucher: Voucher test
-- assert: unique shop, voucher, stratum, is_sent
-- assert: buyers <= customers AND redeemers <= buyers
-- assert: last_day >= sent_on
--
-- Every customer counts in the half that was drawn, whether the voucher was used or not (intention to
-- treat). Orders placed within the window, with their refunds up to `$until`; a fully returned order is
-- no purchase. Revenue is after discounts. Profit is NULL unless the cost of every line is known.
-- Squares are those of a customer's sum. Savings and redemptions are those of the test's code.
WITH members AS (
    SELECT
        voucher, customer_id, stratum, is_sent, pace, discount_code, sent_on, window_days,
        sent_on + window_days::INTEGER - 1                             AS last_day
    FROM voucher_customers
    INNER JOIN voucher_tests USING (shop, voucher)
    WHERE shop = $shop
),
costs AS (
    SELECT sku, unit_cost, valid_from, coalesce(valid_until, 'infinity') AS valid_until
    FROM product_costs
    WHERE shop = $shop
),
sold AS (
    SELECT lines.*, lines.units * unit_cost AS cost
    FROM order_lines AS lines
    LEFT JOIN costs  -- not an ASOF join, which sorts all order lines of the shop first
        ON lines.sku = costs.sku AND lines.day >= valid_from AND lines.day < valid_until
    WHERE shop = $shop
        AND customer_id IN (SELECT customer_id FROM members)
        AND day BETWEEN (SELECT min(sent_on) FROM members) AND $until::DATE
),
orders AS (
    SELECT
        voucher, customer_id, order_id,
        any_value(last_day)                                            AS last_day,
        min(day) FILTER (type = 'order')                               AS day,
        sum(units)                                                     AS units,
        sum(revenue)                                                   AS revenue,
        CASE WHEN count(cost) = count(*) THEN sum(revenue - cost) END  AS profit,
        bool_or(is_use)                                                AS is_use,
        coalesce(sum(discount_amount) FILTER (is_use), 0)              AS savings
    FROM (
        SELECT
            voucher, customer_id, order_id, last_day, day, type, units, revenue, cost, discount_amount,
            coalesce(lower(discount_id) = lower(members.discount_code), FALSE)
            OR coalesce(list_contains(
                string_split(replace(lower(sold.discount_code), ', ', ','), ','),
                lower(members.discount_code)
            ), FALSE)                                                  AS is_use
        FROM sold
        INNER JOIN members USING (customer_id)
        WHERE day >= sent_on
    )
    GROUP BY voucher, customer_id, order_id
),
sums AS (
    SELECT
        voucher, customer_id,
        count(*) FILTER (units > 0)                                    AS orders,
        count(*) FILTER (units > 0 AND is_use)                         AS redemptions,
        sum(revenue)::DECIMAL(18, 2)                                   AS revenue,
        CASE WHEN count(profit) = count(*) THEN sum(profit)::DECIMAL(18, 2) END  AS profit,
        sum(savings)                                                   AS savings
    FROM orders
    WHERE day <= last_day
    GROUP BY voucher, customer_id
),
outcomes AS (
    SELECT
        members.*,
        coalesce(orders, 0)                                            AS orders,
        coalesce(redemptions, 0)                                       AS redemptions,
        coalesce(revenue, 0)                                           AS revenue,
        CASE WHEN sums.customer_id IS NULL THEN 0 ELSE profit END      AS profit,
        coalesce(savings, 0)                                           AS savings
    FROM members
    LEFT JOIN sums USING (voucher, customer_id)
),
final AS (
    SELECT
        $shop                                                          AS shop,
        voucher,
        stratum,
        is_sent,
        any_value(discount_code)                                       AS discount_code,
        any_value(sent_on)                                             AS sent_on,
        any_value(last_day)                                            AS last_day,
        count(*)                                                       AS customers,
        sum(round(pace, 2)::DECIMAL(18, 2))                            AS pace_sum,
        count(*) FILTER (orders > 0)                                   AS buyers,
        sum(orders)::BIGINT                                            AS orders,
        count(*) FILTER (redemptions > 0)                              AS redeemers,
        sum(redemptions)::BIGINT                                       AS redemptions,
        sum(savings)                                                   AS savings,
        sum(revenue)                                                   AS revenue,
        sum(revenue * revenue)                                         AS revenue_squares,
        CASE WHEN count(profit) = count(*) THEN sum(profit) END        AS profit,
        CASE WHEN count(profit) = count(*) THEN sum(profit * profit) END  AS profit_squares
    FROM outcomes
    GROUP BY voucher, stratum, is_sent
)
SELECT * FROM final ORDER BY sent_on, voucher, stratum, is_sent
