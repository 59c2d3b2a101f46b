-- price_index: the shop's list prices relative to the median of its competitors, per week, over
-- all products
-- unit: ratio, products      grain: day      reads: competitor_prices, order_lines
-- $until: last day of the last week
-- $weeks: number of weeks
-- $currency: the shop's currency
-- $max_age_days: maximum age of a price observation at the week's end, in days
-- $own_days: maximum days from the product's last sale to the week's end
-- price_index: Price index
-- assert: unique day
-- assert: price_index_low <= price_index AND price_index <= price_index_high
--
-- Each week uses the rules of the metric competitor_prices, as of the last day of the week. low and
-- high are the quartiles across products.
WITH ends AS (
    SELECT $until::DATE - 7 * i::INTEGER AS day FROM range($weeks::INTEGER) AS past (i)
),
looks AS (
    SELECT sku, competitor, day, price, upper(currency) AS currency, in_stock
    FROM competitor_prices
    WHERE shop = $shop
    QUALIFY row_number() OVER (PARTITION BY sku, competitor, day ORDER BY observed_at DESC) = 1
),
pairs AS (
    SELECT DISTINCT sku, competitor FROM looks
),
list_prices AS (
    SELECT sku, day, arg_max(list_price, (occurred_at, event_id)) AS own_price
    FROM order_lines
    WHERE shop = $shop
        AND type = 'order'
        AND units > 0
        AND list_price > 0
        AND sku IN (SELECT sku FROM pairs)
    GROUP BY sku, day
),
asked AS (
    SELECT pairs.sku, pairs.competitor, ends.day
    FROM pairs CROSS JOIN ends
),
seen AS (
    SELECT asked.sku, asked.day, looks.price, looks.currency, looks.in_stock, looks.day AS observed_day
    FROM asked
    ASOF JOIN looks
        ON asked.sku = looks.sku AND asked.competitor = looks.competitor
        AND asked.day >= looks.day
),
compared AS (
    SELECT seen.sku, seen.day, seen.price, list_prices.own_price
    FROM seen
    ASOF JOIN list_prices ON seen.sku = list_prices.sku AND seen.day >= list_prices.day
    WHERE seen.day - list_prices.day < $own_days::INTEGER
        AND seen.day - seen.observed_day <= $max_age_days::INTEGER
        AND seen.in_stock IS NOT FALSE
        AND seen.currency = upper($currency::VARCHAR)
        AND seen.price > 0
        AND seen.price * 3 >= own_price AND seen.price <= own_price * 3
),
products AS (
    SELECT day, sku, max(own_price)::DOUBLE / median(price)::DOUBLE AS price_index
    FROM compared
    GROUP BY day, sku
),
final AS (
    SELECT
        day,
        median(price_index)               AS price_index,
        quantile_cont(price_index, .25)   AS price_index_low,
        quantile_cont(price_index, .75)   AS price_index_high,
        count(*)                          AS products
    FROM products
    GROUP BY day
)
SELECT * FROM final ORDER BY day
