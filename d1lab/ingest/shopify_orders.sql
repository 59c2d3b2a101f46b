-- shopify_orders: lines of Shopify's order export, as order events and refused lines
-- unit: the shop's currency      grain: line (of the file), type
-- reads: source, settings (one row), and the macros of texts.sql
-- An order is all lines of one Name; its own fields stand on the first of them. Sums are taken in
-- the currency's smallest unit. What a line is worth is price * quantity less its own discount;
-- what the order's discount adds to that is found by Subtotal, see `reconciled`, and is spread over
-- the lines by their worth, to the last unit by largest remainder. A cancelled order is taken back
-- at that time, line by line. Of any other refund the export knows one amount and no time: the
-- whole order is taken back, or money without units is spread over its lines, at the order's time.
CREATE TEMP MACRO digits(currency) AS CASE
    WHEN currency IN (
        'BIF', 'CLP', 'DJF', 'GNF', 'ISK', 'JPY', 'KMF', 'KRW', 'PYG', 'RWF', 'UGX', 'VND', 'VUV',
        'XAF', 'XOF', 'XPF'
    ) THEN 0
    WHEN currency IN ('BHD', 'IQD', 'JOD', 'KWD', 'LYD', 'OMR', 'TND') THEN 3
    ELSE 2
END;
CREATE TEMP MACRO smallest(x, scale) AS round(amount(x) * scale)::BIGINT;
CREATE TEMP MACRO money(x, scale) AS (x / scale)::DECIMAL(18, 6);
CREATE TEMP MACRO told(field, x) AS
    CASE WHEN amount(coalesce(x, '0')) IS NULL OR amount(coalesce(x, '0')) < 0
        THEN wrong(field, x, 'an amount of 0 or more') END;
CREATE TEMP MACRO codes_of(x) AS
    array_to_string(list_sort(list_distinct(list_filter(
        list_transform(string_split(x, ','), lambda code: given(code)),
        lambda code: code IS NOT NULL
    ))), ', ');

CREATE TABLE orders AS
WITH firsts AS (
    SELECT
        given(order_name)                                                       AS order_name,
        arg_min(given(order_number), line) FILTER (given(order_number) IS NOT NULL)  AS number,
        count(DISTINCT given(order_number))                                     AS numbers,
        arg_min(given(email), line) FILTER (given(email) IS NOT NULL)           AS email,
        arg_min(lower(given(financial_status)), line)
            FILTER (given(financial_status) IS NOT NULL)                        AS status,
        arg_min(upper(given(currency)), line) FILTER (given(currency) IS NOT NULL)  AS currency,
        arg_min(given(subtotal), line) FILTER (given(subtotal) IS NOT NULL)     AS subtotal_text,
        arg_min(given(shipping), line) FILTER (given(shipping) IS NOT NULL)     AS shipping_text,
        arg_min(given(taxes), line) FILTER (given(taxes) IS NOT NULL)           AS taxes_text,
        arg_min(given(total), line) FILTER (given(total) IS NOT NULL)           AS total_text,
        arg_min(given(discount_codes), line) FILTER (given(discount_codes) IS NOT NULL)  AS codes,
        arg_min(given(discount_amount), line)
            FILTER (given(discount_amount) IS NOT NULL)                         AS discount_text,
        arg_min(given(created_at), line) FILTER (given(created_at) IS NOT NULL)  AS created_at,
        arg_min(given(cancelled_at), line)
            FILTER (given(cancelled_at) IS NOT NULL)                            AS cancelled_at,
        arg_min(given(refunded_amount), line)
            FILTER (given(refunded_amount) IS NOT NULL)                         AS refunded_text,
        count(fault)                                                            AS faults
    FROM source
    GROUP BY ALL
)
SELECT
    firsts.*,
    coalesce(number, order_name)                  AS order_id,
    10 ** digits(currency)                        AS scale,
    smallest(subtotal_text, scale)                AS subtotal,
    smallest(coalesce(shipping_text, '0'), scale) AS shipping,
    smallest(coalesce(taxes_text, '0'), scale)    AS taxes,
    smallest(total_text, scale)                   AS total,
    smallest(coalesce(discount_text, '0'), scale) AS discount,
    smallest(coalesce(refunded_text, '0'), scale) AS refunded,
    nullif(concat_ws(
        '; ',
        missing('Name', order_name),
        CASE WHEN numbers > 1 THEN 'orders with different Ids share this Name' END,
        CASE WHEN faults > 0 THEN 'a line of the order cannot be read' END,
        CASE WHEN currency <> shop_currency
            THEN 'the currency is ' || left(currency, 40) || ', not ' || shop_currency END,
        CASE WHEN status = 'voided' AND cancelled_at IS NULL
            THEN 'never paid (voided), and not cancelled' END,
        told('Subtotal', subtotal_text),
        told('Shipping', shipping_text),
        told('Taxes', taxes_text),
        told('Total', total_text),
        told('Discount Amount', discount_text),
        told('Refunded Amount', refunded_text)
    ), '')                                        AS reason
FROM firsts, settings;

CREATE TABLE lines AS
WITH typed AS (
    SELECT
        source.line,
        given(source.order_name)                                                AS order_name,
        row_number() OVER (PARTITION BY given(source.order_name) ORDER BY source.line)  AS place,
        coalesce(given(source.sku), given(source.product_title))                AS sku,
        given(source.product_title)                                             AS product_title,
        given(source.quantity)                                                  AS quantity,
        amount(given(source.price))                                             AS unit_price,
        greatest(unit_price, CASE WHEN settings.markdowns
            THEN amount(given(source.compare_at_price)) END)                    AS list_price,
        round(unit_price * whole(given(source.quantity)) * scale)::BIGINT            AS gross,
        round(list_price * whole(given(source.quantity)) * scale)::BIGINT - gross  AS markdown,
        coalesce(smallest(given(source.line_discount), scale), 0)               AS own_discount,
        nullif(concat_ws(
            '; ',
            source.fault,
            CASE WHEN whole(given(source.quantity)) IS NULL
                THEN wrong('Lineitem quantity', given(source.quantity), 'a whole number') END,
            missing('Lineitem quantity', given(source.quantity)),
            missing('Lineitem price', given(source.price)),
            told('Lineitem price', given(source.price)),
            told('Lineitem discount', given(source.line_discount)),
            CASE WHEN own_discount > gross
                THEN 'Lineitem discount is more than the line costs' END
        ), '')                                                                  AS reason
    FROM source
    CROSS JOIN settings
    JOIN orders ON orders.order_name IS NOT DISTINCT FROM given(source.order_name)
)
SELECT * FROM typed;

-- What the order's discount adds to its lines' own: Shopify's Discount Amount may hold those, may
-- stand beside them, or may be off the shipping; Subtotal tells which.
CREATE TABLE reconciled AS
WITH sums AS (
    SELECT
        order_name,
        sum(gross)         AS gross,
        sum(own_discount)  AS own,
        count(reason)      AS faults
    FROM lines
    GROUP BY order_name
),
read AS (
    SELECT
        orders.*,
        sums.* EXCLUDE (order_name, faults),
        CASE
            WHEN subtotal IS NULL OR gross - own - discount = subtotal THEN discount
            WHEN gross - discount = subtotal AND own <= discount THEN discount - own
            WHEN gross - own = subtotal THEN 0
        END                                         AS extra,
        concat_ws(
            '; ',
            orders.reason,
            CASE WHEN sums.faults > 0 THEN 'a line of the order cannot be used' END
        )                                           AS first_reason
    FROM orders
    JOIN sums ON sums.order_name IS NOT DISTINCT FROM orders.order_name
)
SELECT
    * EXCLUDE (reason, first_reason),
    gross - own - extra                             AS paid,
    total > 0 AND refunded >= total                 AS is_refunded,
    CASE WHEN total = subtotal + shipping + taxes THEN taxes ELSE 0 END  AS taxes_on_top,
    CASE
        WHEN first_reason <> '' THEN first_reason
        WHEN extra IS NULL THEN
            'the lines cost ' || money(gross, scale)::DECIMAL(18, 2) || '; less discounts of '
            || money(own, scale)::DECIMAL(18, 2) || ' and ' || money(discount, scale)::DECIMAL(18, 2)
            || ' that is not the Subtotal, ' || money(subtotal, scale)::DECIMAL(18, 2)
        WHEN extra > gross - own THEN 'the discount is more than the goods cost'
    END                                             AS reason
FROM read;

CREATE TABLE events AS
WITH good AS (
    SELECT
        lines.* EXCLUDE (reason, order_name),
        reconciled.* EXCLUDE (reason, gross, cancelled_at, created_at),
        reconciled.created_at,
        reconciled.cancelled_at,
        lines.gross - own_discount                          AS worth,
        coalesce(extra::HUGEINT * worth // nullif(reconciled.gross - own, 0), 0)  AS whole_share,
        coalesce(extra::HUGEINT * worth % nullif(reconciled.gross - own, 0), 0)   AS remainder
    FROM lines
    JOIN reconciled USING (order_name)
    WHERE reconciled.reason IS NULL
),
shared AS (
    SELECT
        *,
        extra - sum(whole_share) OVER (PARTITION BY order_name)  AS left_over,
        row_number() OVER (PARTITION BY order_name ORDER BY remainder DESC, line)  AS turn,
        own_discount + whole_share + (turn <= left_over)::INTEGER  AS reduction,
        gross - reduction                                     AS net
    FROM good
),
back AS (
    SELECT
        *,
        least(paid, round(refunded * subtotal / nullif(subtotal + taxes_on_top, 0))::BIGINT)  AS due,
        coalesce(due::HUGEINT * net // nullif(paid, 0), 0)    AS whole_back,
        coalesce(due::HUGEINT * net % nullif(paid, 0), 0)     AS remainder_back
    FROM (SELECT * REPLACE (coalesce(subtotal, paid) AS subtotal) FROM shared)
),
refunds AS (
    SELECT
        *,
        row_number() OVER (PARTITION BY order_name ORDER BY remainder_back DESC, line)  AS turn_back,
        due - sum(whole_back) OVER (PARTITION BY order_name)  AS left_back,
        whole_back + (turn_back <= left_back)::INTEGER        AS given_back
    FROM back
),
named AS (
    SELECT
        refunds.*,
        coalesce(codes_of(codes), '')                         AS code_text,
        CASE
            WHEN code_text <> '' AND (reduction > 0 OR extra + own = 0) THEN lower(code_text)
            WHEN reduction > 0 THEN 'automatic'
            WHEN markdown > 0 THEN 'markdown'
        END                                                   AS discount_id,
        CASE WHEN discount_id = lower(code_text) THEN code_text END  AS discount_code,
        CASE
            WHEN discount_code IS NULL THEN discount_id
            WHEN discount > 0 AND extra + own = 0 THEN 'shipping'
            ELSE 'code'
        END                                                   AS discount_type,
        CASE
            WHEN settings.plain_emails THEN lower(email)
            WHEN email IS NOT NULL THEN pseudonym(lower(email), inner_pad, outer_pad)
        END                                                   AS customer_id
    FROM refunds, settings
),
both_types AS (
    SELECT
        *,
        'order'                                               AS type,
        order_id || '-' || place                              AS event_id,
        quantity                                              AS units,
        money(reduction + markdown, scale)                    AS discount_given,
        money(net, scale)                                     AS revenue,
        created_at                                            AS occurred_at
    FROM named
    UNION ALL
    SELECT
        *,
        'refund',
        order_id || '-' || place || '-refund',
        CASE WHEN cancelled_at IS NOT NULL OR is_refunded THEN quantity ELSE '0' END,
        CASE WHEN cancelled_at IS NOT NULL OR is_refunded
            THEN money(reduction + markdown, scale) ELSE 0 END,
        CASE WHEN cancelled_at IS NOT NULL OR is_refunded
            THEN money(net, scale) ELSE money(given_back, scale) END,
        coalesce(cancelled_at, created_at)
    FROM named
    WHERE (cancelled_at IS NOT NULL OR refunded > 0) AND whole(quantity) > 0
)
SELECT
    line,
    settings.shop,
    event_id,
    type,
    order_id,
    customer_id,
    sku,
    product_title,
    units                                                     AS quantity,
    list_price,
    discount_id,
    discount_code,
    discount_type,
    discount_given                                            AS discount_amount,
    revenue,
    occurred_at
FROM both_types, settings;

CREATE TABLE refused AS
SELECT
    lines.line,
    lines.order_name                                          AS order_id,
    lines.sku,
    coalesce(lines.reason, reconciled.reason)                 AS reason
FROM lines
JOIN reconciled ON reconciled.order_name IS NOT DISTINCT FROM lines.order_name
WHERE lines.reason IS NOT NULL OR reconciled.reason IS NOT NULL;
