-- One row per observation of a competitor's price for one of the shop's products.
SELECT
    shop,
    sku,
    competitor,
    price,
    currency,
    in_stock <> 0  AS in_stock,
    url,
    observed_at,
    source
FROM raw.competitor_prices
