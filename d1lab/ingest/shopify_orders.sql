-- shopify_orders: lines of Shopify's order export, as order events and rejected lines
-- unit: the shop's currency      grain: line (of the file), type
-- reads: source, settings (one row), dues (by partial_refunds.py), the macros of texts and no_sale
-- An order is all lines with one Name, and with one Id if two orders share the name; its own fields
-- are on the first line. Sums are in the currency's smallest unit. A line's value is
-- price * quantity minus its own discount. The order's discount on top of that is derived from
-- Subtotal (see `reconciled`) and allocated to the lines by value, by largest remainder. A canceled
-- order is refunded line by line at the time of cancellation. For any other refund the export has
-- one amount and no time: either the whole order is refunded, or money without units is spread
-- over its lines, at the order's time. Entries that are not sales are left out, see no_sale.sql.
CREATE TEMP MACRO smallest(x, scale) AS round(amount(x) * scale)::BIGINT;
CREATE TEMP MACRO money(x, scale) AS (x / scale)::DECIMAL(18, 6);
CREATE TEMP MACRO stated(field, x) AS
    CASE WHEN amount(coalesce(x, '0')) IS NULL OR amount(coalesce(x, '0')) < 0
        THEN wrong(field, x, 'an amount of 0 or more') END;
CREATE TEMP MACRO extra_of(part, gross, own, discount) AS CASE
    WHEN part < 0 THEN NULL
    WHEN gross - own - discount = part THEN discount
    WHEN gross - discount = part AND own <= discount THEN discount - own
    WHEN gross - own = part THEN 0
END;
CREATE TEMP MACRO codes_of(x) AS
    array_to_string(list_sort(list_distinct(list_filter(
        list_transform(string_split(x, ','), lambda code: given(code)),
        lambda code: code IS NOT NULL
    ))), ', ');

CREATE TABLE keyed AS
WITH named AS (
    SELECT
        *,
        given(order_name)                                        AS name,
        count(DISTINCT given(order_number)) OVER (PARTITION BY given(order_name))  AS numbers
    FROM source
)
SELECT
    * EXCLUDE (numbers),
    CASE
        WHEN numbers < 2 THEN name
        ELSE name || chr(31) || coalesce(
            last_value(given(order_number) IGNORE NULLS) OVER (PARTITION BY name ORDER BY line),
            first_value(given(order_number) IGNORE NULLS) OVER (
                PARTITION BY name ORDER BY line ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING
            )
        )
    END                                                          AS order_key
FROM named;

CREATE TABLE orders AS
WITH firsts AS (
    SELECT
        order_key,
        name                                                                    AS order_name,
        arg_min(given(order_number), line)  AS number,
        arg_min(given(email), line)  AS email,
        arg_min(given(phone), line)  AS phone,
        arg_min(upper(given(country)), line)  AS country,
        arg_min(given(customer_id), line)  AS own_customer,
        arg_min(lower(given(financial_status)), line)  AS status,
        arg_min(given(payment_method), line)  AS gateway,
        arg_min(given(is_test), line)  AS is_test,
        arg_min(upper(given(currency)), line)  AS currency,
        arg_min(given(subtotal), line)  AS subtotal_text,
        arg_min(given(shipping), line)  AS shipping_text,
        arg_min(given(taxes), line)  AS taxes_text,
        arg_min(given(duties), line)  AS duties_text,
        arg_min(given(total), line)  AS total_text,
        arg_min(given(discount_codes), line)  AS codes,
        arg_min(given(discount_amount), line)  AS discount_text,
        arg_min(given(created_at), line)  AS created_at,
        arg_min(given(updated_at), line)  AS updated_at,
        arg_min(given(cancelled_at), line)  AS cancelled_at,
        arg_min(given(refunded_amount), line)  AS refunded_text,
        count(problem)                                                            AS problems
    FROM keyed
    GROUP BY ALL
)
SELECT
    firsts.*,
    coalesce(number, order_name)                  AS order_id,
    10 ** digits(currency)                        AS scale,
    smallest(subtotal_text, scale)                AS subtotal,
    smallest(coalesce(shipping_text, '0'), scale) AS shipping,
    smallest(coalesce(taxes_text, '0'), scale)    AS taxes,
    smallest(coalesce(duties_text, '0'), scale)   AS duties,
    smallest(total_text, scale)                   AS total,
    smallest(coalesce(discount_text, '0'), scale) AS discount,
    smallest(coalesce(refunded_text, '0'), scale) AS refunded,
    coalesce(no_sale_test(gateway, is_test), CASE
        WHEN no_sale_status(status) = 'canceled' AND cancelled_at IS NOT NULL THEN NULL
        ELSE no_sale_status(status)
    END)                                          AS no_sale,
    CASE WHEN no_sale IS NULL THEN nullif(concat_ws(
        '; ',
        missing('Name', order_name),
        CASE WHEN problems > 0 THEN 'a line of the order cannot be read' END,
        CASE WHEN currency <> shop_currency
            THEN 'the currency is ' || left(currency, 40) || ', not ' || shop_currency END,
        stated('Subtotal', subtotal_text),
        stated('Shipping', shipping_text),
        stated('Taxes', taxes_text),
        stated('Duties', duties_text),
        stated('Total', total_text),
        stated('Discount Amount', discount_text),
        stated('Refunded Amount', refunded_text)
    ), '') END                                    AS reason
FROM firsts, settings;

CREATE TABLE lines AS
WITH typed AS (
    SELECT
        keyed.line,
        keyed.order_key,
        row_number() OVER (PARTITION BY keyed.order_key ORDER BY keyed.line)    AS place,
        coalesce(given(keyed.sku), given(keyed.product_title))                  AS sku,
        given(keyed.product_title)                                              AS product_title,
        coalesce(orders.no_sale, no_sale_line(
            given(keyed.product_title), given(keyed.sku), given(keyed.is_gift_card),
            given(keyed.requires_shipping)
        ))                                                                      AS no_sale,
        given(keyed.quantity)                                                   AS quantity,
        units(given(keyed.quantity))                                            AS units,
        amount(given(keyed.price))                                              AS unit_price,
        greatest(unit_price, CASE WHEN settings.markdowns
            THEN amount(given(keyed.compare_at_price)) END)                     AS list_price,
        round(unit_price * units * scale)::BIGINT                               AS gross,
        round(list_price * units * scale)::BIGINT - gross                       AS markdown,
        coalesce(smallest(given(keyed.line_discount), scale), 0)                AS own_discount,
        CASE WHEN orders.no_sale IS NULL THEN nullif(concat_ws(
            '; ',
            keyed.problem,
            CASE WHEN units(given(keyed.quantity)) IS NULL
                THEN wrong('Lineitem quantity', given(keyed.quantity), 'a number of 0 or more') END,
            missing('Lineitem quantity', given(keyed.quantity)),
            missing('Lineitem price', given(keyed.price)),
            stated('Lineitem price', given(keyed.price)),
            stated('Lineitem discount', given(keyed.line_discount)),
            CASE WHEN own_discount > gross AND units > 0
                THEN 'Lineitem discount is larger than the price of the line' END
        ), '') END                                                              AS reason
    FROM keyed
    CROSS JOIN settings
    JOIN orders ON orders.order_key IS NOT DISTINCT FROM keyed.order_key
)
SELECT
    * REPLACE (CASE WHEN units = 0 THEN 0 ELSE own_discount END AS own_discount),
    no_sale IS NULL AND units IS DISTINCT FROM 0  AS is_sold  -- 0: removed from the order
FROM typed;

-- The order's discount on top of the lines' own: Shopify's Discount Amount can include the lines'
-- discounts, exclude them, or apply to shipping; Subtotal shows which. Subtotal includes gift cards
-- sold, and tips in some years: the rest is the goods' part.
CREATE TABLE reconciled AS
WITH sums AS (
    SELECT
        order_key,
        coalesce(sum(gross) FILTER (is_sold), 0)         AS gross,
        coalesce(sum(own_discount) FILTER (is_sold), 0)  AS own,
        coalesce(sum(gross - own_discount) FILTER (no_sale = 'tip'), 0)        AS tips,
        coalesce(sum(gross - own_discount) FILTER (no_sale = 'gift card'), 0)  AS cards,
        count(*) FILTER (is_sold)                        AS sold,
        count(reason)                                    AS problems
    FROM lines
    GROUP BY order_key
),
read AS (
    SELECT
        orders.* EXCLUDE (whole),
        sums.* EXCLUDE (order_key, problems),
        whole                                       AS whole_subtotal,
        coalesce(list_filter(
            [
                whole_subtotal - cards - tips, whole_subtotal - cards, whole_subtotal - tips,
                whole_subtotal
            ],
            lambda part: extra_of(part, gross, own, discount) IS NOT NULL
        )[1], whole_subtotal)                       AS subtotal,
        CASE WHEN whole_subtotal IS NULL THEN discount
            ELSE extra_of(subtotal, gross, own, discount) END  AS extra,
        concat_ws(
            '; ',
            orders.reason,
            CASE WHEN sums.problems > 0 THEN 'a line of the order cannot be used' END
        )                                           AS first_reason
    FROM (SELECT * EXCLUDE (subtotal), subtotal AS whole FROM orders) AS orders
    JOIN sums ON sums.order_key IS NOT DISTINCT FROM orders.order_key
)
SELECT
    * EXCLUDE (reason, first_reason),
    gross - own - extra                             AS paid,
    CASE
        WHEN refunded_text IS NULL THEN coalesce(status = 'refunded', false)
        ELSE coalesce(total > 0 AND refunded >= total, false)
    END                                             AS is_refunded,
    CASE
        WHEN no_sale IS NOT NULL OR sold = 0 AND first_reason = '' THEN NULL
        WHEN first_reason <> '' THEN first_reason
        WHEN extra IS NULL THEN
            'the lines total ' || money(gross, scale)::DECIMAL(18, 2) || '; minus discounts of '
            || money(own, scale)::DECIMAL(18, 2) || ' and ' || money(discount, scale)::DECIMAL(18, 2)
            || ', this is not the Subtotal, ' || money(subtotal, scale)::DECIMAL(18, 2)
        WHEN extra > gross - own THEN 'the discount is larger than the price of the goods'
    END                                             AS reason
FROM read;

-- Lines of valid orders with their selling prices.
CREATE TABLE sold AS
WITH good AS (
    SELECT
        lines.* EXCLUDE (reason, no_sale, is_sold, units),
        reconciled.* EXCLUDE (reason, no_sale, sold, order_key, gross),
        lines.units                                         AS sold_units,
        lines.gross - own_discount                          AS worth,
        coalesce(extra::HUGEINT * worth // nullif(reconciled.gross - own, 0), 0)  AS whole_share,
        coalesce(extra::HUGEINT * worth % nullif(reconciled.gross - own, 0), 0)   AS remainder
    FROM lines
    JOIN reconciled USING (order_key)
    WHERE reconciled.reason IS NULL AND lines.is_sold
),
shared AS (
    SELECT
        *,
        extra - sum(whole_share) OVER (PARTITION BY order_key)  AS left_over,
        row_number() OVER (PARTITION BY order_key ORDER BY remainder DESC, line)  AS turn,
        own_discount + whole_share + (turn <= left_over)::INTEGER  AS reduction,
        gross - reduction                                     AS net
    FROM good
)
SELECT * FROM shared;
