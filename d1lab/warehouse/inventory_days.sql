-- One row per SKU and day: stock before and after, and units sold. An unknown count stays NULL, and
-- so does a sum that includes it.
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
    source,
    inventory_impact._rowid     AS row_id
FROM raw.inventory_impact
LEFT JOIN (SELECT shop, source FROM raw.d1lab_sources WHERE table_name = 'inventory_impact')
    USING (shop)
