-- customer_snapshots: each customer's purchases, last purchase, and spend up to each of seven days
-- unit: purchases, days, money      grain: shop, customer_id      reads: order_lines, walk_in_customers
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
WITH walk_ins AS (
    -- A list: DuckDB takes the few IDs for many, and would join with all lines on the wrong side.
    SELECT coalesce(list(customer_id), []) FROM walk_in_customers WHERE shop = $shop
),
lines AS (
    SELECT customer_id, order_id, type, day, units, revenue
    FROM order_lines
    WHERE
        shop = $shop AND day <= $day_7::DATE AND customer_id IS NOT NULL
        AND NOT list_contains((FROM walk_ins), customer_id)
),
spent AS (
    SELECT
        customer_id,
        sum(revenue) FILTER (day <= $day_1::DATE)                 AS spend_1,
        sum(revenue) FILTER (day <= $day_2::DATE)                 AS spend_2,
        sum(revenue) FILTER (day <= $day_3::DATE)                 AS spend_3,
        sum(revenue) FILTER (day <= $day_4::DATE)                 AS spend_4,
        sum(revenue) FILTER (day <= $day_5::DATE)                 AS spend_5,
        sum(revenue) FILTER (day <= $day_6::DATE)                 AS spend_6,
        sum(revenue)                                              AS spend_7
    FROM lines
    GROUP BY customer_id
),
-- The units of these orders can fall to 0: their lines are kept. All others are purchases from their
-- first day on.
returned AS (
    SELECT DISTINCT order_id FROM lines WHERE units <= 0
),
orders AS (
    SELECT
        customer_id,
        min(day) FILTER (type = 'order')                          AS day,
        list({'day': day, 'units': units}) FILTER (order_id IN (FROM returned))  AS parts
    FROM lines
    GROUP BY customer_id, order_id
),
-- Whether an order placed by then is a purchase as of each of the days, as bits.
kept AS (
    SELECT
        customer_id,
        day,
        CASE
            WHEN parts IS NULL THEN 127
            ELSE
                if(list_sum([x.units FOR x IN parts IF x.day <= $day_1::DATE]) > 0, 1, 0)
                + if(list_sum([x.units FOR x IN parts IF x.day <= $day_2::DATE]) > 0, 2, 0)
                + if(list_sum([x.units FOR x IN parts IF x.day <= $day_3::DATE]) > 0, 4, 0)
                + if(list_sum([x.units FOR x IN parts IF x.day <= $day_4::DATE]) > 0, 8, 0)
                + if(list_sum([x.units FOR x IN parts IF x.day <= $day_5::DATE]) > 0, 16, 0)
                + if(list_sum([x.units FOR x IN parts IF x.day <= $day_6::DATE]) > 0, 32, 0)
                + if(list_sum([x.units FOR x IN parts IF x.day <= $day_7::DATE]) > 0, 64, 0)
        END                                                       AS bits
    FROM orders
    WHERE day IS NOT NULL
),
days AS (
    SELECT customer_id, day, bit_or(bits) AS bits FROM kept GROUP BY customer_id, day
),
bought AS (
    SELECT
        customer_id,
        count(*) FILTER (day <= $day_1::DATE AND bits & 1 > 0)  AS purchases_1,
        max(day) FILTER (day <= $day_1::DATE AND bits & 1 > 0)  AS last_day_1,
        count(*) FILTER (day <= $day_2::DATE AND bits & 2 > 0)  AS purchases_2,
        max(day) FILTER (day <= $day_2::DATE AND bits & 2 > 0)  AS last_day_2,
        count(*) FILTER (day <= $day_3::DATE AND bits & 4 > 0)  AS purchases_3,
        max(day) FILTER (day <= $day_3::DATE AND bits & 4 > 0)  AS last_day_3,
        count(*) FILTER (day <= $day_4::DATE AND bits & 8 > 0)  AS purchases_4,
        max(day) FILTER (day <= $day_4::DATE AND bits & 8 > 0)  AS last_day_4,
        count(*) FILTER (day <= $day_5::DATE AND bits & 16 > 0)  AS purchases_5,
        max(day) FILTER (day <= $day_5::DATE AND bits & 16 > 0)  AS last_day_5,
        count(*) FILTER (day <= $day_6::DATE AND bits & 32 > 0)  AS purchases_6,
        max(day) FILTER (day <= $day_6::DATE AND bits & 32 > 0)  AS last_day_6,
        count(*) FILTER (day <= $day_7::DATE AND bits & 64 > 0)  AS purchases_7,
        max(day) FILTER (day <= $day_7::DATE AND bits & 64 > 0)  AS last_day_7
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
