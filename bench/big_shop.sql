-- One shop of $lines order lines, with all tables that reports read. Products and customers are drawn
-- by the square of a uniform number: the first tenth of them has a third of the lines. Nothing has an
-- effect on anything. `draw` is a uniform number of a row, the same in each run.
CREATE TEMP MACRO draw(row, what) AS hash(row, what) / 18446744073709551616;
CREATE TEMP MACRO price(sku) AS 2 + (hash(sku) % 4800) / 100;
CREATE TEMP MACRO nth_day(number) AS DATE '2024-01-01' + number::INTEGER;

INSERT INTO raw.order_events BY NAME
WITH drawn AS (
    SELECT
        i,
        (i * 2) // 5                                                        AS number,
        floor($skus * draw(i, 'sku') ** 2)::BIGINT                          AS item,
        floor($customers * draw((i * 2) // 5, 'customer') ** 2)::BIGINT     AS customer,
        1 + floor(3 * draw(i, 'quantity'))                                  AS quantity,
        CASE WHEN draw(i, 'sale') < .3 THEN floor($codes * draw(i, 'code') ** 2)::BIGINT END  AS code,
        TIMESTAMP '2024-01-01' + to_seconds(i * ($days * 86400) // $lines)  AS occurred_at
    FROM range($lines) AS t (i)
),
priced AS (
    SELECT
        *,
        price(item)                                                         AS list_price,
        CASE WHEN code IS NULL THEN 0 ELSE round(list_price * quantity * (.1 + .05 * (code % 4)), 2) END
                                                                            AS discount_amount
    FROM drawn
)
SELECT
    i + 1 AS _rowid, i + 1 AS seq, 'big' AS shop, 'e' || i AS event_id, 'order' AS type,
    'o' || number AS order_id, 'c' || customer AS customer_id, 'sku-' || item AS sku,
    'Product ' || item AS product_title, quantity, list_price, 'd' || code AS discount_id,
    'CODE' || code AS discount_code, CASE WHEN code IS NOT NULL THEN 'percentage' END AS discount_type,
    discount_amount, list_price * quantity - discount_amount AS revenue, occurred_at,
    occurred_at::DATE AS _day
FROM priced;

INSERT INTO raw.product_performance BY NAME
SELECT
    row_number() OVER () AS _rowid, 'big' AS shop, sku, any_value(product_title) AS product_title,
    coalesce(sum(quantity) FILTER (discount_id IS NOT NULL), 0) AS units_sold_with_discount,
    coalesce(sum(quantity) FILTER (discount_id IS NULL), 0) AS units_sold_without_discount,
    sum(discount_amount) AS total_discount_given,
    sum(revenue) FILTER (discount_id IS NOT NULL) AS revenue_with_discount,
    sum(revenue) FILTER (discount_id IS NULL) AS revenue_without_discount
FROM raw.order_events
GROUP BY sku;

INSERT INTO raw.customer_insights BY NAME
SELECT
    row_number() OVER () AS _rowid, 'big' AS shop, customer_id,
    count(discount_id) AS total_discounts_used, sum(discount_amount) AS total_savings,
    max(_day) AS last_purchase_date
FROM raw.order_events
GROUP BY customer_id;

INSERT INTO raw.daily_discount_stats BY NAME
SELECT
    row_number() OVER () AS _rowid, 'big' AS shop, _day AS date, count(*) AS total_discounts_used,
    sum(revenue) AS total_revenue_impact
FROM raw.order_events
WHERE discount_id IS NOT NULL
GROUP BY _day;

INSERT INTO raw.discount_analytics BY NAME
SELECT
    row_number() OVER () AS _rowid, 'big' AS shop, discount_id,
    any_value(discount_code) AS discount_code, sku, count(*) AS times_used,
    sum(list_price * quantity) AS revenue_before_discount, sum(discount_amount) AS discount_amount,
    sum(revenue) AS revenue_after_discount, min(occurred_at) AS first_used_at,
    max(occurred_at) AS last_used_at
FROM raw.order_events
WHERE discount_id IS NOT NULL
GROUP BY discount_id, sku;

INSERT INTO raw.product_costs BY NAME
SELECT
    row_number() OVER () AS _rowid, 'big' AS shop, sku, .55 * any_value(list_price) AS unit_cost,
    nth_day(0) AS valid_from, 'simulated' AS source
FROM raw.order_events
GROUP BY sku;

INSERT INTO raw.inventory_impact BY NAME
SELECT
    row_number() OVER () AS _rowid, 'big' AS shop, sku, nth_day($days - 90 + age) AS date,
    200 - age % 50 * 3 AS starting_inventory, age % 2 AS units_sold_with_discount,
    1 + age % 3 AS units_sold_regular_price, 197 - age % 50 * 3 AS ending_inventory
FROM raw.product_performance, range(90) AS t (age);

INSERT INTO raw.d1lab_sources BY NAME
SELECT 1 AS _rowid, 'inventory_impact' AS table_name, 'big' AS shop, 'simulated' AS source;

INSERT INTO raw.competitor_prices BY NAME
SELECT
    row_number() OVER () AS _rowid, 'big' AS shop, sku, competitor,
    unit_cost / .55 * (.85 + .3 * draw(sku, competitor || week)) AS price, 'USD' AS currency,
    1 AS in_stock, nth_day($days - 1 - 7 * week) AS observed_at, 'simulated' AS source
FROM raw.product_costs, (VALUES ('alpha'), ('beta')) AS c (competitor), range(8) AS w (week)
WHERE hash(sku) % 10 = 0;

INSERT INTO raw.ab_test_results BY NAME
SELECT
    i + 1 AS _rowid, 'big' AS shop, 'test-' || i AS test_id, 'Test ' || i AS test_name,
    nth_day($days - 21) AS started_at
FROM range($tests) AS t (i);

INSERT INTO raw.d1lab_ab_test_inputs BY NAME
SELECT
    _rowid, shop, test_id, .5 AS share_b, started_at AS share_declared_at, 'simulated' AS source
FROM raw.ab_test_results;

INSERT INTO raw.ab_test_daily BY NAME
SELECT
    row_number() OVER () AS _rowid, 'big' AS shop, test_id, variant, nth_day($days - 21 + age) AS day,
    400 + floor(40 * draw(test_id, variant || age)) AS visitors,
    16 + floor(8 * draw(test_id, variant || age)) AS conversions,
    20 * conversions AS revenue, 500 * conversions AS revenue_squares,
    2 * conversions AS discount_cost, 9 * conversions AS profit, 100 * conversions AS profit_squares
FROM raw.ab_test_results, (VALUES ('a'), ('b')) AS v (variant), range(21) AS t (age);
