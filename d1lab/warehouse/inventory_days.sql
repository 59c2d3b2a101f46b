-- One row per SKU and day: stock before and after, and units sold. An unknown count stays NULL, and
-- so does a sum that includes it. For SKUs that the app does not record, the days before each count
-- of `d1lab ingest stock`: the count, and what was sold until then, back to the count before or the
-- shop's first order, 52 weeks at most.
SELECT
    shop,
    sku,
    date                        AS day,
    starting_inventory          AS starting_units,
    ending_inventory            AS ending_units,
    units_sold_with_discount,
    units_sold_regular_price    AS units_sold_regular,
    units_sold_with_discount + units_sold_regular_price  AS units_sold,
    days_of_supply,
    turnover_rate,
    sources.source,
    inventory_impact._rowid     AS row_id
FROM history.inventory_impact
LEFT JOIN (SELECT shop, source FROM raw.d1lab_sources WHERE table_name = 'inventory_impact')
    AS sources USING (shop)
WHERE NOT is_to_come(date)
UNION ALL
SELECT
    shop,
    sku,
    day,
    (ending_units + units_sold)::BIGINT,
    ending_units::BIGINT,
    discounted_units::BIGINT,
    (units_sold - discounted_units)::BIGINT,
    units_sold::BIGINT,
    NULL,
    NULL,
    NULL,
    0
FROM (
    WITH counted AS (
        SELECT
            shop,
            sku,
            day,
            units,
            lag(day) OVER (PARTITION BY shop, sku ORDER BY day)  AS day_before
        FROM (
            SELECT shop, sku, date AS day, round(sum(units))::BIGINT AS units
            FROM history.d1lab_stock WHERE NOT is_to_come(date) GROUP BY ALL
        )
        ANTI JOIN history.inventory_impact USING (shop, sku)
    ),
    sold AS (
        SELECT
            shop,
            sku,
            kept_day(_day, shop, occurred_at)                    AS day,
            sum(quantity)                                        AS units,
            coalesce(sum(quantity) FILTER (discount_amount > 0), 0)  AS discounted_units
        FROM history.order_events
        SEMI JOIN counted USING (shop, sku)
        WHERE type = 'order'
        GROUP BY ALL
    ),
    began AS (
        SELECT shop, local_day(shop, min(occurred_at)) AS day
        FROM history.order_events SEMI JOIN counted USING (shop)
        GROUP BY shop
    ),
    spans AS (
        SELECT
            counted.* EXCLUDE (day_before),
            greatest(coalesce(day_before + 1, began.day), counted.day - 364)  AS first_day
        FROM counted JOIN began USING (shop)
    ),
    days AS (
        SELECT
            shop, sku, day AS counted_on, units AS counted_units,
            unnest(range(first_day, day + 1, INTERVAL 1 DAY))::DATE          AS day
        FROM spans
    ),
    ledger AS (
        SELECT
            shop,
            sku,
            day,
            counted_units + coalesce(sum(sold.units) OVER later, 0)          AS ending_units,
            coalesce(sold.units, 0)                                          AS units_sold,
            coalesce(discounted_units, 0)                                    AS discounted_units
        FROM days
        LEFT JOIN sold USING (shop, sku, day)
        WINDOW later AS (
            PARTITION BY shop, sku, counted_on ORDER BY day DESC
            ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        )
    )
    SELECT * FROM ledger
)
