-- One row per order line and per refunded line. Refunds are negative, so sums are net. Units are
-- whole numbers unless a product is sold by the meter or the kilogram. `day` is the shop's
-- local day, `occurred_at` is UTC.
SELECT
    shop,
    event_id,
    order_id,
    customer_id,
    sku,
    product_title,
    kept_day(_day, shop, occurred_at)                              AS day,
    occurred_at,
    type,
    in_units(CASE type WHEN 'refund' THEN -quantity ELSE quantity END)  AS units,
    list_price,
    discount_id,
    discount_code,
    discount_type,
    CASE type WHEN 'refund' THEN -discount_amount ELSE discount_amount END  AS discount_amount,
    CASE type WHEN 'refund' THEN -revenue ELSE revenue END         AS revenue
FROM history.order_events
WHERE NOT is_to_come(occurred_at)
