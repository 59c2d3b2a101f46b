-- One row per observation of a competitor's price for one of the shop's products. The day is the
-- shop's; the time is UTC.
SELECT
    shop,
    sku,
    competitor,
    price,
    currency,
    in_stock <> 0  AS in_stock,
    url,
    local_day(shop, observed_at)  AS day,
    observed_at,
    source
FROM history.competitor_prices
WHERE NOT is_to_come(observed_at)
