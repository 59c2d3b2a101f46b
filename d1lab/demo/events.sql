-- demo_events: purchase lines of The Complete Journey as order events
-- unit: dollars      grain: shop, event_id
-- reads: transactions, products, coupons, coupon_redemptions, stores (shop, store_id)
-- In the data, sales_value is the amount that the store received: after the card discount and the
-- store's match of a coupon, but including the manufacturer's refund of the coupon. The list price
-- of a line is therefore sales_value + retail_disc + coupon_match_disc, and the customer paid
-- sales_value - coupon_disc, which is the revenue here. Two values are changed: a coupon counts at
-- most the price of its line, and a fuel line, with a quantity in thousandths of a gallon, is one
-- unit. `track` rejects the lines with quantity 0. Times in the data are UTC; redemptions have the
-- day in the stores' time zone.
WITH redeemed AS (
    SELECT
        household_id,
        product_id,
        redemption_date::DATE        AS local_day,
        min((campaign_id, coupon_upc)) AS redemption
    FROM coupon_redemptions
    JOIN coupons USING (coupon_upc, campaign_id)
    GROUP BY household_id, product_id, local_day
),
lines AS (
    SELECT
        *,
        timezone('America/New_York', timezone('UTC', transaction_timestamp))::DATE  AS local_day,
        sales_value::DECIMAL(18, 2)                            AS received,
        retail_disc::DECIMAL(18, 2)                            AS card,
        coupon_match_disc::DECIMAL(18, 2)                      AS matched,
        least(coupon_disc, sales_value)::DECIMAL(18, 2)        AS coupon,
        CASE WHEN product_type LIKE 'GASOLINE%' THEN least(quantity, 1) ELSE quantity END  AS units,
        trim(regexp_replace(lower(coalesce(product_category, department, 'other')), '[^a-z0-9]+',
            '-', 'g'), '-')                                    AS category,
        coalesce(product_type, product_category)               AS name
    FROM transactions
    JOIN stores USING (store_id)
    LEFT JOIN products USING (product_id)
),
discounted AS (
    SELECT
        *,
        coupon + matched > 0                                   AS is_coupon,
        coupon + matched + card                                AS discount_amount
    FROM lines
    LEFT JOIN redeemed USING (household_id, product_id, local_day)
),
final AS (
    SELECT
        shop,
        basket_id || '-' || product_id                         AS event_id,
        'order'                                                AS type,
        basket_id::VARCHAR                                     AS order_id,
        household_id::VARCHAR                                  AS customer_id,
        product_id::VARCHAR                                    AS sku,
        upper(name[1]) || lower(name[2:]) || coalesce(', ' || package_size, '')  AS product_title,
        (discount_amount + received - coupon) / nullif(units, 0)  AS list_price,
        CASE
            WHEN is_coupon AND redemption IS NOT NULL THEN 'campaign-' || redemption[1]
            WHEN is_coupon THEN 'coupon'
            WHEN card > 0 THEN 'card-' || category
        END                                                    AS discount_id,
        CASE WHEN is_coupon THEN redemption[2]::VARCHAR END    AS discount_code,
        CASE
            WHEN is_coupon AND redemption IS NOT NULL THEN 'campaign'
            WHEN is_coupon THEN 'coupon'
            WHEN card > 0 THEN 'card'
        END                                                    AS discount_type,
        transaction_timestamp                                  AS occurred_at,
        discount_amount,
        received - coupon                                      AS revenue,
        units                                                  AS quantity
    FROM discounted
)
SELECT * FROM final ORDER BY occurred_at, order_id, sku
