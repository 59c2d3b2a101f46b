-- price_history: price paid, list price, and competitor prices of one product, for each day with an
-- observation
-- unit: money      grain: day, seller      reads: competitor_prices, order_lines
-- $until: last day included
-- $days: length of the history, in days
-- $currency: the shop's currency; prices in other currencies are excluded
-- $sku: the product
-- price: Price, money
-- assert: unique day, seller
-- assert: day <= $until::DATE
-- check: sku=1082185
--
-- The last price of a day counts. The list price stays valid until the last day. The price paid is
-- that of the 28 days to each day. Only the five competitors with the most observations are included;
-- a price out of stock is NULL.
WITH looks AS (
    SELECT competitor, day, observed_at, price
    FROM competitor_prices
    WHERE shop = $shop
        AND sku = $sku::VARCHAR
        AND upper(currency) = upper($currency::VARCHAR)
        AND in_stock IS NOT FALSE
        AND price > 0
        AND day BETWEEN $until::DATE - $days::INTEGER + 1 AND $until::DATE
),
foremost AS (
    SELECT competitor FROM looks GROUP BY competitor ORDER BY count(*) DESC, competitor LIMIT 5
),
lines AS (
    SELECT day, occurred_at, event_id, units, list_price, revenue
    FROM order_lines
    WHERE shop = $shop
        AND sku = $sku::VARCHAR
        AND type = 'order'
        AND units > 0
        AND day BETWEEN $until::DATE - $days::INTEGER - 26 AND $until::DATE
),
own AS (
    SELECT
        day,
        'own list price'                                       AS seller,
        arg_max(list_price, (occurred_at, event_id))::DOUBLE   AS price
    FROM lines
    WHERE list_price > 0 AND day > $until::DATE - $days::INTEGER
    GROUP BY day
),
days AS (
    SELECT DISTINCT day FROM lines WHERE day > $until::DATE - $days::INTEGER
    UNION
    SELECT $until::DATE
),
paid AS (
    SELECT days.day, 'own price paid' AS seller, (sum(revenue) / sum(units))::DOUBLE AS price
    FROM days
    JOIN lines ON lines.day BETWEEN days.day - 27 AND days.day
    WHERE list_price IS DISTINCT FROM 0
    GROUP BY days.day
),
theirs AS (
    SELECT day, competitor AS seller, arg_max(price, observed_at)::DOUBLE AS price
    FROM looks
    WHERE competitor IN (SELECT competitor FROM foremost)
    GROUP BY ALL
),
held AS (
    SELECT $until::DATE AS day, 'own list price' AS seller, arg_max(price, day) AS price
    FROM own
    HAVING max(day) < $until::DATE
),
final AS (
    FROM paid UNION ALL FROM own UNION ALL FROM held UNION ALL FROM theirs
)
SELECT day, seller, price FROM final ORDER BY seller = 'own price paid' DESC, seller = 'own list price' DESC, seller, day
