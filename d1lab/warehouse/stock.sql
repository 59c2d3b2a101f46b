-- One row per SKU, location, and day on which the shop's stock was loaded with `d1lab ingest stock`.
SELECT
    shop,
    sku,
    location,
    date  AS day,
    units
FROM history.d1lab_stock
WHERE NOT is_to_come(date)
