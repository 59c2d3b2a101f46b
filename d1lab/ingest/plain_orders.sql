-- plain_orders: lines of any orders file with a column map, as events and rejected lines
-- unit: the shop's currency      grain: line (of the file), type
-- reads: source (is_kept: the map's filter), settings (one row), the macros of texts and no_sale
-- A line with a negative quantity or of type refund is a refund of those units, at its own time.
-- A line whose SKU is in `discount_skus` is a refund of money, without units. Without a revenue
-- column, revenue is the line's price, or price * quantity, minus the discount. A line that
-- removes units without money is a stock correction, not an event. An order that was refunded
-- later (by its status, or an amount) is refunded at its own time.
CREATE TABLE judged AS
WITH texts AS (
    SELECT
        line,
        problem,
        is_kept,
        given(event_id)                                 AS event_id,
        given(order_id)                                 AS order_id,
        given(order_name)                               AS order_name,
        given(customer_id)                              AS customer_id,
        given(email)                                    AS email,
        given(phone)                                    AS phone,
        given(sku)                                      AS sku,
        given(product_title)                            AS product_title,
        given(quantity)                                 AS quantity_text,
        given(list_price)                               AS price_text,
        given(line_price)                               AS line_price_text,
        given(discount_amount)                          AS discount_text,
        given(discount_id)                              AS discount_id,
        given(discount_code)                            AS discount_code,
        given(discount_type)                            AS discount_type,
        given(revenue)                                  AS revenue_text,
        given(refunded_amount)                          AS refunded_text,
        upper(given(currency))                          AS currency,
        given(occurred_at)                              AS time_text,
        lower(given(line_type))                         AS line_type,
        given(payment_method)                           AS gateway,
        given(is_gift_card)                             AS is_gift_card,
        lower(coalesce(given(status), first_value(given(status) IGNORE NULLS) OVER (
            PARTITION BY given(order_id) ORDER BY line
            ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING
        )))                                             AS status,
        row_number() OVER (PARTITION BY given(order_id) ORDER BY line)  AS place,
        row_number() OVER (PARTITION BY given(order_id), given(sku) ORDER BY line)  AS repeat
    FROM source
),
typed AS (
    SELECT
        texts.*,
        settings.*,
        coalesce(list_contains(settings.discount_skus, sku), false)  AS is_money,
        starts_with(quantity_text, '-')
            OR coalesce(regexp_matches(line_type, 'refund|return'), false)  AS is_back,
        ltrim(quantity_text, '-')                       AS unit_text,
        units(unit_text)                                AS units,
        ltrim(price_text, '-')                          AS price_size,
        coalesce(amount(discount_text), 0)              AS discount,
        CASE WHEN starts_with(price_text, '-') THEN -1 ELSE 1 END
            * amount(price_size) * units                AS price_gross,
        coalesce(
            CASE WHEN is_back THEN abs(amount(line_price_text)) ELSE amount(line_price_text) END,
            price_gross
        )                                               AS gross,
        CASE WHEN revenue_text IS NOT NULL
            THEN abs(amount(revenue_text)) * CASE
                WHEN starts_with(revenue_text, '-') AND NOT is_back THEN -1 ELSE 1 END
            ELSE gross - abs(discount) END              AS revenue,
        amount(refunded_text)                           AS refunded,
        coalesce(
            no_sale_test(gateway, NULL),
            no_sale_status(status),
            no_sale_line(product_title, nullif(sku, product_title), is_gift_card, NULL),
            CASE WHEN units = 0 AND NOT is_money THEN 'removed line' END
        )                                               AS no_sale,
        nullif(concat_ws(
            '; ',
            problem,
            CASE WHEN texts.currency <> shop_currency
                THEN 'the currency is ' || left(texts.currency, 40) || ', not ' || shop_currency
            END,
            CASE WHEN quantity_text IS NOT NULL AND units IS NULL
                THEN wrong('quantity', quantity_text, 'a number') END,
            CASE WHEN price_text IS NOT NULL AND amount(price_size) IS NULL
                THEN wrong('list_price', price_text, 'an amount') END,
            CASE WHEN line_price_text IS NOT NULL AND amount(line_price_text) IS NULL
                THEN wrong('line_price', line_price_text, 'an amount') END,
            CASE WHEN revenue_text IS NOT NULL AND amount(revenue_text) IS NULL
                THEN wrong('revenue', revenue_text, 'an amount') END,
            CASE WHEN discount_text IS NOT NULL AND amount(discount_text) IS NULL
                THEN wrong('discount_amount', discount_text, 'an amount') END,
            CASE WHEN refunded_text IS NOT NULL AND refunded IS NULL
                THEN wrong('refunded_amount', refunded_text, 'an amount') END,
            CASE WHEN is_money AND NOT is_back
                THEN 'a discount line must have a negative quantity' END,
            CASE WHEN is_back AND revenue = 0
                THEN 'negative quantity without revenue: a stock correction, not a refund' END,
            CASE WHEN settings.time_format IS NOT NULL AND instant(time_text) IS NULL
                THEN wrong('occurred_at', time_text, 'of the form ' || settings.time_format) END
        ), '')                                          AS reason
    FROM texts, settings
)
SELECT
    line,
    CASE WHEN is_kept AND no_sale IS NULL THEN reason END  AS reason,
    CASE WHEN is_kept THEN no_sale ELSE 'filtered out' END  AS no_sale,
    shop,
    coalesce(event_id, CASE
        WHEN whole_orders THEN order_id || '-' || place
        ELSE order_id || '-' || sku || '-' || repeat
    END)                                                AS event_id,
    CASE WHEN is_back THEN 'refund' ELSE 'order' END    AS type,
    order_id,
    order_name,
    buyer(
        coalesce(CASE WHEN contains(customer_id, '@') THEN customer_id END, email), phone,
        customer_id, plain_emails, inner_pad, outer_pad
    )                                                   AS customer_id,
    sku,
    product_title,
    CASE WHEN is_money THEN '0' ELSE unit_text END      AS quantity,
    coalesce(price_text, CASE WHEN units > 0 THEN (abs(gross) / units)::DECIMAL(18, 6)::VARCHAR END)
                                                        AS list_price,
    CASE WHEN discount <> 0 THEN coalesce(discount_id, lower(discount_code), 'discount')
        ELSE coalesce(discount_id, lower(discount_code)) END  AS discount_id,
    discount_code,
    discount_type,
    abs(discount)                                       AS discount_amount,
    revenue,
    time_text                                           AS occurred_at,
    CASE
        WHEN is_back THEN 0
        WHEN refunded IS NOT NULL THEN least(greatest(refunded, 0), revenue)
        WHEN status IN ('refunded', 'wc-refunded', 'fully refunded', 'returned')
            AND NOT bool_or(is_back) OVER (PARTITION BY order_id) THEN revenue
        ELSE 0
    END                                                 AS given_back
FROM typed;

CREATE TABLE events AS
WITH sold AS (
    SELECT * EXCLUDE (reason, no_sale, order_name)
    FROM judged
    WHERE reason IS NULL AND no_sale IS NULL
)
SELECT * EXCLUDE (given_back) FROM sold
UNION ALL
SELECT * EXCLUDE (given_back) REPLACE (
    'refund' AS type,
    event_id || '-refund' AS event_id,
    CASE WHEN given_back = revenue THEN quantity ELSE '0' END AS quantity,
    CASE WHEN given_back = revenue THEN discount_amount ELSE 0 END AS discount_amount,
    given_back AS revenue
)
FROM sold
WHERE given_back > 0;

CREATE TABLE rejected AS
SELECT line, order_id, sku, reason FROM judged WHERE reason IS NOT NULL;

-- Orders that the file has in full: they replace the stored ones.
CREATE TABLE file_orders AS
SELECT order_id, any_value(order_name) AS name
FROM judged, settings
WHERE whole_orders AND order_id IS NOT NULL
GROUP BY order_id
HAVING count(reason) = 0;

CREATE TABLE left_out AS
SELECT
    no_sale                                             AS kind,
    CASE WHEN no_sale IN ('tip', 'gift card', 'removed line', 'filtered out')
        THEN count(*) ELSE count(DISTINCT order_id) END AS count
FROM judged
WHERE no_sale IS NOT NULL
GROUP BY no_sale;
