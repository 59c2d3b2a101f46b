-- What a unit costs the shop, from a day on; one row per change.
SELECT
    shop,
    sku,
    unit_cost,
    valid_from,
    source
FROM raw.product_costs
