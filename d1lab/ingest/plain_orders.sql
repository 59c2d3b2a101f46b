-- plain_orders: lines of any orders file, its columns named by a map, as events and refused lines
-- unit: the shop's currency      grain: line (of the file)
-- reads: source, settings (one row), and the macros of texts.sql
-- A line of negative quantity is a refund of those units, at its own time. A line whose article is
-- among `discount_skus` is money given back, of no unit. Revenue that no column gives is
-- price * quantity less the discount. A line that takes units out for nothing is a correction of
-- the stock, and no event.
CREATE TABLE judged AS
WITH texts AS (
    SELECT
        line,
        fault,
        given(event_id)                                 AS event_id,
        given(order_id)                                 AS order_id,
        given(customer_id)                              AS customer_id,
        lower(given(email))                             AS email,
        given(sku)                                      AS sku,
        given(product_title)                            AS product_title,
        given(quantity)                                 AS quantity_text,
        given(list_price)                               AS price_text,
        given(discount_amount)                          AS discount_text,
        given(discount_id)                              AS discount_id,
        given(discount_code)                            AS discount_code,
        given(discount_type)                            AS discount_type,
        given(revenue)                                  AS revenue_text,
        upper(given(currency))                          AS currency,
        given(occurred_at)                              AS time_text,
        row_number() OVER (PARTITION BY given(order_id) ORDER BY line)  AS place
    FROM source
),
typed AS (
    SELECT
        texts.*,
        settings.*,
        coalesce(list_contains(settings.discount_skus, sku), false)  AS is_money,
        starts_with(quantity_text, '-')                 AS is_back,
        ltrim(quantity_text, '-')                       AS units,
        ltrim(price_text, '-')                          AS price_size,
        coalesce(amount(discount_text), 0)              AS discount,
        CASE WHEN starts_with(price_text, '-') THEN -1 ELSE 1 END
            * amount(price_size) * whole(units)         AS gross,
        CASE WHEN revenue_text IS NOT NULL
            THEN abs(amount(revenue_text)) * CASE
                WHEN starts_with(revenue_text, '-') AND NOT is_back THEN -1 ELSE 1 END
            ELSE gross - abs(discount) END              AS revenue,
        CASE
            WHEN settings.time_format IS NOT NULL THEN try_strptime(time_text, getvariable('time_format'))
            WHEN NOT regexp_matches(time_text, '(Z|UTC|[+-][0-9]{2}(:?[0-9]{2})?)$', 'i')
                OR regexp_full_match(time_text, '[0-9]{4}-[0-9]{2}-[0-9]{2}')
                THEN try_cast(time_text AS TIMESTAMP)
        END                                             AS local_time,
        CASE WHEN contains(customer_id, '@') THEN lower(customer_id) ELSE email END  AS address,
        nullif(concat_ws(
            '; ',
            fault,
            CASE WHEN texts.currency <> shop_currency
                THEN 'the currency is ' || left(texts.currency, 40) || ', not ' || shop_currency
            END,
            CASE WHEN quantity_text IS NOT NULL AND whole(units) IS NULL
                THEN wrong('quantity', quantity_text, 'a whole number') END,
            CASE WHEN price_text IS NOT NULL AND amount(price_size) IS NULL
                THEN wrong('list_price', price_text, 'an amount') END,
            CASE WHEN discount_text IS NOT NULL AND amount(discount_text) IS NULL
                THEN wrong('discount_amount', discount_text, 'an amount') END,
            CASE WHEN is_money AND NOT is_back
                THEN 'a discount line must have a negative quantity' END,
            CASE WHEN is_back AND revenue = 0
                THEN 'units taken out for nothing: a correction of the stock, no refund' END,
            CASE WHEN settings.time_format IS NOT NULL AND time_text IS NOT NULL
                    AND local_time IS NULL
                THEN wrong('occurred_at', time_text, 'of the form ' || settings.time_format) END
        ), '')                                          AS reason
    FROM texts, settings
)
SELECT
    line,
    reason,
    shop,
    coalesce(event_id, order_id || '-' || place)        AS event_id,
    CASE WHEN is_back THEN 'refund' ELSE 'order' END    AS type,
    order_id,
    CASE
        WHEN address IS NULL OR plain_emails
            THEN coalesce(customer_id, address)
        ELSE pseudonym(address, inner_pad, outer_pad)
    END                                                 AS customer_id,
    sku,
    product_title,
    CASE WHEN is_money THEN '0' ELSE units END          AS quantity,
    price_text                                          AS list_price,
    CASE WHEN discount <> 0 THEN coalesce(discount_id, lower(discount_code), 'discount')
        ELSE coalesce(discount_id, lower(discount_code)) END  AS discount_id,
    discount_code,
    discount_type,
    abs(discount)                                       AS discount_amount,
    revenue,
    CASE
        WHEN local_time IS NULL THEN time_text
        ELSE strftime(timezone('UTC', timezone(timezone, local_time)), '%Y-%m-%d %H:%M:%S')
    END                                                 AS occurred_at
FROM typed;

CREATE TABLE events AS SELECT * EXCLUDE (reason) FROM judged WHERE reason IS NULL;
CREATE TABLE refused AS
SELECT line, order_id, sku, reason FROM judged WHERE reason IS NOT NULL;
