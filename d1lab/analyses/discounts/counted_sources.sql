-- counted_sources: discount uses by order events and by the app's own counters
-- unit: uses, units      grain: shop      reads: order_lines, daily_discounts, discount_totals, products
-- $until: last day of the period
-- $days: length of the period, in days
-- event_uses: Uses in order events, integer
-- daily_uses: Uses in daily counters, integer
-- daily_uses_in_all: Uses in daily counters (all days), integer
-- total_uses: Uses in totals, integer
-- event_units: Discounted units in order events, integer
-- product_units: Discounted units in product counters, integer
-- event_first_day: First order event, date
-- daily_first_day: First counted day of the period, date
-- total_first_day: First use in totals, date
-- assert: unique shop
-- assert: daily_uses <= daily_uses_in_all
--
-- Only counters maintained by the app: NULL if there are none, or if d1lab maintains them.
WITH events AS (
    SELECT
        count(*) FILTER (type = 'order' AND discount_id IS NOT NULL
            AND day BETWEEN $until::DATE - $days::INTEGER + 1 AND $until::DATE)  AS event_uses,
        coalesce(sum(units) FILTER (discount_id IS NOT NULL), 0)::BIGINT         AS event_units,
        min(day)                                                                 AS event_first_day
    FROM order_lines
    WHERE shop = $shop
),
daily AS (
    SELECT
        sum(times_used) FILTER (is_in_period)::BIGINT      AS daily_uses,
        sum(times_used)::BIGINT                            AS daily_uses_in_all,
        min(day) FILTER (is_in_period AND times_used > 0)  AS daily_first_day
    FROM (
        SELECT *, day BETWEEN $until::DATE - $days::INTEGER + 1 AND $until::DATE AS is_in_period
        FROM daily_discounts
        WHERE shop = $shop AND counted_by = 'app'
    )
),
totals AS (
    SELECT sum(times_used)::BIGINT AS total_uses, min(first_used_day) AS total_first_day
    FROM discount_totals
    WHERE shop = $shop AND counted_by = 'app'
),
sold AS (
    SELECT sum(units_sold_with_discount)::BIGINT AS product_units
    FROM products
    WHERE shop = $shop AND counted_by = 'app'
)
SELECT $shop AS shop, * FROM events, daily, totals, sold
