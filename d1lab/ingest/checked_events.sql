-- checked_events: order events as received (all text), typed; `reason` is why one is rejected
-- reads: incoming, and the macros of texts.sql      grain: event
-- Text is trimmed, and empty text counts as missing. Times without an offset are UTC; fractions
-- of a second are cut off. A time more than a day in the future (`latest`) is an error. Money is
-- rounded to a millionth; it is positive for refunds, too.
-- A refund of 0 units is money back for goods kept, or for an unknown number of units.
CREATE TEMP VIEW checked_events AS
WITH texts AS (
    SELECT
        position,
        problem,
        given(shop)            AS shop,
        given(event_id)        AS event_id,
        given(type)            AS type,
        given(order_id)        AS order_id,
        given(customer_id)     AS customer_id,
        given(sku)             AS sku,
        given(product_title)   AS product_title,
        given(quantity)        AS quantity_text,
        given(list_price)      AS list_price_text,
        given(discount_id)     AS discount_id,
        given(discount_code)   AS discount_code,
        given(discount_type)   AS discount_type,
        given(discount_amount) AS discount_amount_text,
        given(revenue)         AS revenue_text,
        given(occurred_at)     AS occurred_at_text
    FROM incoming
),
typed AS (
    SELECT
        *,
        units(quantity_text)                        AS quantity,
        amount(list_price_text)                     AS list_price,
        amount(coalesce(discount_amount_text, '0')) AS discount_amount,
        amount(revenue_text)                        AS revenue,
        instant(occurred_at_text)                   AS occurred_at
    FROM texts
),
final AS (
    SELECT
        * EXCLUDE (
            problem, quantity_text, list_price_text, discount_amount_text, revenue_text,
            occurred_at_text
        ),
        coalesce(problem, nullif(concat_ws(
            '; ',
            missing('shop', shop),
            missing('event_id', event_id),
            missing('type', type),
            CASE WHEN type NOT IN ('order', 'refund')
                THEN wrong('type', type, '''order'' or ''refund''') END,
            missing('order_id', order_id),
            missing('sku', sku),
            missing('quantity', quantity_text),
            CASE WHEN quantity IS NULL OR (quantity = 0 AND type IS DISTINCT FROM 'refund')
                THEN wrong('quantity', quantity_text, 'a number above 0') END,
            CASE WHEN list_price IS NULL OR list_price < 0
                THEN wrong('list_price', list_price_text, 'an amount of 0 or more') END,
            CASE WHEN discount_amount IS NULL OR discount_amount < 0
                THEN wrong('discount_amount', discount_amount_text, 'an amount of 0 or more') END,
            CASE WHEN discount_amount > 0 AND discount_id IS NULL
                THEN 'discount_amount without a discount_id' END,
            missing('revenue', revenue_text),
            CASE WHEN revenue IS NULL OR revenue < 0
                THEN wrong('revenue', revenue_text, 'an amount of 0 or more') END,
            missing('occurred_at', occurred_at_text),
            CASE WHEN occurred_at IS NULL AND occurred_at_text IS NOT NULL
                THEN wrong('occurred_at', occurred_at_text, 'an ISO 8601 time') END,
            CASE WHEN year(occurred_at) < 1970
                THEN 'occurred_at ''' || left(occurred_at_text, 40) || ''' is before 1970' END,
            CASE WHEN occurred_at > getvariable('latest')
                THEN 'occurred_at ''' || left(occurred_at_text, 40) || ''' is in the future' END,
            CASE WHEN greatest(
                    length(shop), length(event_id), length(order_id), length(customer_id),
                    length(sku), length(product_title), length(discount_id), length(discount_code),
                    length(discount_type)
                ) > 1000 THEN 'a text is longer than 1,000 characters' END,
            CASE WHEN contains(
                    concat_ws(
                        '', shop, event_id, order_id, customer_id, sku, product_title, discount_id,
                        discount_code, discount_type
                    ),
                    chr(0)
                ) THEN 'a text contains a NUL character' END
        ), '')) AS reason
    FROM typed
)
SELECT * FROM final;
