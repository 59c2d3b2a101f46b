-- One row per SKU and day from which a unit cost is valid. `valid_until` is the day from which the next
-- one is; NULL for the last.
SELECT
    shop,
    sku,
    unit_cost,
    valid_from,
    source,
    lead(valid_from) OVER (PARTITION BY shop, sku ORDER BY valid_from)  AS valid_until
FROM raw.product_costs
