-- demo_prices: typical list price of the products with simulated competitor prices
-- unit: money      grain: sku      reads: order_lines
-- $shop, $skus: the shop, and the number of products, by revenue of its last 180 days
-- Only products with a steady price are included; prices of fuel and of products sold by weight
-- change every day.
WITH lines AS (
    SELECT sku, day, list_price, revenue, max(day) OVER () AS last_day
    FROM order_lines
    WHERE shop = $shop AND type = 'order' AND list_price > 0
),
final AS (
    SELECT
        sku,
        median(list_price)::DOUBLE  AS list_price,
        any_value(last_day)         AS last_day
    FROM lines
    WHERE day > last_day - 180
    GROUP BY sku
    HAVING quantile_cont(list_price, .95) <= 1.15 * quantile_cont(list_price, .05)
    ORDER BY sum(revenue) DESC, sku
    LIMIT $skus
)
SELECT * FROM final ORDER BY sku
