-- competitor_prices: each competitor's last price per product, what the shop's customers paid, its
-- list price, and whether they are comparable
-- unit: money, days      grain: shop, sku, competitor
-- reads: competitor_prices, order_lines, product_costs
-- $until: report date
-- $currency: the shop's currency
-- $max_age_days: maximum age of a price observation, in days
-- $own_days: maximum days since the product's last sale, for its list price
-- age_days: Price age [days], integer
-- own_price: List price, money
-- paid_price: Average price paid, money
-- assert: unique shop, sku, competitor
-- assert: price > 0
-- assert: age_days >= 0
--
-- paid_price: price paid per unit over the 28 days to the report date, after discounts; parts of a
-- bundle, listed at 0, do not count. NULL without a sale. own_price: list price of the product's last
-- order line, before discounts. reason: why a price is not compared; NULL if it is. A price below a
-- third of the list price or above three times it is probably of a different product.
WITH looks AS (
    SELECT *
    FROM competitor_prices
    WHERE shop = $shop AND day <= $until::DATE
    QUALIFY row_number() OVER (PARTITION BY sku, competitor ORDER BY observed_at DESC) = 1
),
lines AS (
    SELECT
        *,
        list_price > 0 AND day > $until::DATE - $own_days::INTEGER             AS is_listed,
        list_price IS DISTINCT FROM 0 AND day > $until::DATE - 28              AS is_paid
    FROM order_lines
    WHERE shop = $shop
        AND type = 'order'
        AND units > 0
        AND day BETWEEN $until::DATE - greatest($own_days::INTEGER, 28) + 1 AND $until::DATE
        AND sku IN (SELECT sku FROM looks)
),
own AS (
    SELECT
        sku,
        arg_max(product_title, (occurred_at, event_id)) FILTER (product_title IS NOT NULL)
                                                                        AS product_title,
        arg_max(list_price, (occurred_at, event_id)) FILTER (is_listed)  AS own_price,
        max(day) FILTER (is_listed)                                     AS own_price_day,
        (sum(revenue) FILTER (is_paid) / sum(units) FILTER (is_paid))::DOUBLE  AS paid_price,
        sum(revenue)::DOUBLE                                            AS revenue
    FROM lines
    GROUP BY sku
),
costs AS (
    SELECT sku, arg_max(unit_cost, valid_from)                          AS unit_cost
    FROM product_costs
    WHERE shop = $shop AND valid_from <= $until::DATE
    GROUP BY sku
),
final AS (
    SELECT
        looks.shop,
        looks.sku,
        looks.competitor,
        coalesce(product_title || ' (' || looks.sku || ')', looks.sku)   AS product,
        looks.price::DOUBLE                                             AS price,
        upper(looks.currency)                                           AS currency,
        looks.in_stock,
        looks.observed_at,
        $until::DATE - looks.day                          AS age_days,
        own_price::DOUBLE                                               AS own_price,
        own_price_day,
        paid_price,
        revenue,
        unit_cost::DOUBLE                                               AS unit_cost,
        looks.source IS NOT DISTINCT FROM 'simulated'                   AS simulated,
        CASE
            WHEN paid_price IS NULL OR paid_price <= 0 THEN 'no_own_price'
            WHEN $until::DATE - looks.day > $max_age_days::INTEGER THEN 'too_old'
            WHEN NOT looks.in_stock THEN 'sold_out'
            WHEN looks.price IS NULL OR looks.price <= 0 THEN 'no_price'
            WHEN upper(looks.currency) IS DISTINCT FROM upper($currency::VARCHAR)
                THEN 'other_currency'
            WHEN looks.price * 3 < coalesce(own_price, paid_price)
                OR looks.price > coalesce(own_price, paid_price) * 3 THEN 'implausible'
        END                                                             AS reason
    FROM looks
    LEFT JOIN own USING (sku)
    LEFT JOIN costs USING (sku)
)
SELECT * FROM final ORDER BY sku, competitor
