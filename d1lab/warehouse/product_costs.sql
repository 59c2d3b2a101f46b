-- One row per SKU and day from which a unit cost is valid.
SELECT
    shop,
    sku,
    unit_cost,
    valid_from,
    source
FROM raw.product_costs
