-- price_index: the prices paid in the shop relative to the median of its competitors, per week,
-- over all products
-- unit: ratio, products      grain: day      reads: competitor_prices, order_lines
-- $until: last day of the last week
-- $weeks: number of weeks
-- $currency: the shop's currency
-- $max_age_days: maximum age of a price observation at the week's end, in days
-- $own_days: maximum days from the product's last sale to the week's end, for its list price
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
lines AS (
    SELECT sku, day, occurred_at, event_id, units, list_price, revenue
    FROM order_lines
    WHERE shop = $shop AND type = 'order' AND units > 0 AND sku IN (SELECT sku FROM pairs)
),
list_prices AS (
    SELECT sku, day, arg_max(list_price, (occurred_at, event_id)) AS own_price
    FROM lines
    WHERE list_price > 0
    GROUP BY sku, day
),
paid AS (
    SELECT lines.sku, ends.day, (sum(revenue) / sum(units))::DOUBLE AS paid_price
    FROM ends
    JOIN lines ON lines.day BETWEEN ends.day - 27 AND ends.day
    WHERE list_price IS DISTINCT FROM 0
    GROUP BY lines.sku, ends.day
    HAVING sum(revenue) > 0
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
known AS (
    SELECT
        seen.sku,
        seen.day,
        seen.price,
        paid_price,
        CASE WHEN seen.day - list_prices.day < $own_days::INTEGER THEN own_price END AS own_price
    FROM seen
    JOIN paid ON seen.sku = paid.sku AND seen.day = paid.day
    ASOF LEFT JOIN list_prices ON seen.sku = list_prices.sku AND seen.day >= list_prices.day
    WHERE seen.day - seen.observed_day <= $max_age_days::INTEGER
        AND seen.in_stock IS NOT FALSE
        AND seen.currency = upper($currency::VARCHAR)
        AND seen.price > 0
),
compared AS (
    SELECT *
    FROM known
    WHERE price * 3 >= coalesce(own_price, paid_price) AND price <= coalesce(own_price, paid_price) * 3
),
products AS (
    SELECT day, sku, any_value(paid_price) / median(price)::DOUBLE AS price_index
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
