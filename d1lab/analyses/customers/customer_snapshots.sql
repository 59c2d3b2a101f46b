-- customer_snapshots: each customer's purchases, last purchase, and spend up to each of seven days
-- unit: purchases, days, money      grain: shop, customer_id      reads: customer_orders
-- $day_1: first of the days, which are in order and may repeat
-- $day_7: last of the days
-- check: day_1=2017-07-03 day_2=2017-07-31 day_3=2017-08-28 day_4=2017-09-25 day_5=2017-10-23
-- check: day_6=2017-11-20 day_7=2017-12-18
-- assert: unique shop, customer_id
-- assert: last_day_1 IS NOT NULL OR purchases_1 = 0
-- assert: last_day_7 IS NOT NULL OR purchases_7 = 0
-- assert: last_day_1 <= $day_1::DATE AND last_day_7 <= $day_7::DATE
--
-- Purchases, last day, and spend are those of `customer_scores` on each of the days; seven days take
-- little more time than one. Customers without a purchase as of any of the days are left out.
WITH orders AS (
    SELECT
        customer_id, day, revenue,
        day IS NOT NULL AND units > 0                             AS kept,
        $day_1::DATE BETWEEN known_from AND known_to              AS known_1,
        $day_2::DATE BETWEEN known_from AND known_to              AS known_2,
        $day_3::DATE BETWEEN known_from AND known_to              AS known_3,
        $day_4::DATE BETWEEN known_from AND known_to              AS known_4,
        $day_5::DATE BETWEEN known_from AND known_to              AS known_5,
        $day_6::DATE BETWEEN known_from AND known_to              AS known_6,
        $day_7::DATE BETWEEN known_from AND known_to              AS known_7
    FROM customer_orders
    WHERE shop = $shop AND known_from <= $day_7::DATE
),
spent AS (
    SELECT
        customer_id,
        sum(revenue) FILTER (known_1)                             AS spend_1,
        sum(revenue) FILTER (known_2)                             AS spend_2,
        sum(revenue) FILTER (known_3)                             AS spend_3,
        sum(revenue) FILTER (known_4)                             AS spend_4,
        sum(revenue) FILTER (known_5)                             AS spend_5,
        sum(revenue) FILTER (known_6)                             AS spend_6,
        sum(revenue) FILTER (known_7)                             AS spend_7
    FROM orders
    GROUP BY customer_id
),
-- Whether an order is a purchase as of each of the days, as bits.
kept AS (
    SELECT
        customer_id,
        day,
        if(known_1, 1, 0) + if(known_2, 2, 0) + if(known_3, 4, 0) + if(known_4, 8, 0)
        + if(known_5, 16, 0) + if(known_6, 32, 0) + if(known_7, 64, 0)  AS bits
    FROM orders
    WHERE kept
),
days AS (
    SELECT customer_id, day, bit_or(bits) AS bits FROM kept GROUP BY customer_id, day
),
bought AS (
    SELECT
        customer_id,
        count(*) FILTER (bits & 1 > 0)                            AS purchases_1,
        max(day) FILTER (bits & 1 > 0)                            AS last_day_1,
        count(*) FILTER (bits & 2 > 0)                            AS purchases_2,
        max(day) FILTER (bits & 2 > 0)                            AS last_day_2,
        count(*) FILTER (bits & 4 > 0)                            AS purchases_3,
        max(day) FILTER (bits & 4 > 0)                            AS last_day_3,
        count(*) FILTER (bits & 8 > 0)                            AS purchases_4,
        max(day) FILTER (bits & 8 > 0)                            AS last_day_4,
        count(*) FILTER (bits & 16 > 0)                           AS purchases_5,
        max(day) FILTER (bits & 16 > 0)                           AS last_day_5,
        count(*) FILTER (bits & 32 > 0)                           AS purchases_6,
        max(day) FILTER (bits & 32 > 0)                           AS last_day_6,
        count(*) FILTER (bits & 64 > 0)                           AS purchases_7,
        max(day) FILTER (bits & 64 > 0)                           AS last_day_7
    FROM days
    WHERE bits > 0
    GROUP BY customer_id
),
final AS (
    SELECT $shop AS shop, *
    FROM bought
    INNER JOIN spent USING (customer_id)
)
SELECT * FROM final ORDER BY customer_id
