-- One row per discount and SKU, over all time, from `d1lab aggregate`.
SELECT
    shop,
    discount_id,
    discount_code,
    sku,
    times_used,
    revenue_before_discount,
    discount_amount,
    revenue_after_discount,
    unique_customers,
    repeat_usage_count,
    first_used_at,
    last_used_at
FROM raw.discount_analytics
