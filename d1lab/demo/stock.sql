-- demo_demand: units sold per day of the SKUs with simulated stock, over the last days
-- unit: units      grain: sku, day      reads: order_lines
-- $shop, $days: the shop, and the number of days up to its last day
-- Fuel is excluded, because it is not stocked in units.
-- $skus: number of SKUs, by units sold; $dead: number of these without a sale for 90 days
WITH lines AS (
    SELECT sku, day, units, discount_id IS NOT NULL AS is_discounted, max(day) OVER () AS last_day
    FROM order_lines
    WHERE shop = $shop AND type = 'order' AND coalesce(product_title, '') NOT LIKE 'Gasoline%'
),
ranked AS (
    SELECT
        sku,
        max(day) <= any_value(last_day) - 90                    AS is_dead,
        row_number() OVER (
            PARTITION BY max(day) <= any_value(last_day) - 90
            ORDER BY sum(units) FILTER (day > last_day - $days) DESC NULLS LAST, sum(units) DESC, sku
        )                                                       AS place
    FROM lines
    GROUP BY sku
),
chosen AS (
    SELECT sku FROM ranked WHERE place <= CASE WHEN is_dead THEN $dead ELSE $skus - $dead END
),
calendar AS (
    SELECT unnest(range(last_day - ($days - 1), last_day + 1, INTERVAL 1 DAY))::DATE AS day
    FROM (SELECT DISTINCT last_day FROM lines)
),
sold AS (
    SELECT
        sku,
        day,
        sum(units) FILTER (is_discounted)      AS with_discount,
        sum(units) FILTER (NOT is_discounted)  AS regular
    FROM lines
    GROUP BY sku, day
),
final AS (
    SELECT
        sku,
        day,
        coalesce(with_discount, 0)::BIGINT  AS with_discount,
        coalesce(regular, 0)::BIGINT        AS regular
    FROM chosen CROSS JOIN calendar LEFT JOIN sold USING (sku, day)
)
SELECT * FROM final ORDER BY sku, day
