-- shopify_events: the sold lines of Shopify's export as order events, and the rejected ones
-- unit: the shop's currency      grain: line (of the file), type
-- reads: sold, lines, orders, reconciled, dues (the goods' part of partial refunds), settings
CREATE TABLE events AS
WITH back AS (
    SELECT
        sold.*,
        coalesce(dues.due, 0)                                 AS due,
        coalesce(due::HUGEINT * net // nullif(paid, 0), 0)    AS whole_back,
        coalesce(due::HUGEINT * net % nullif(paid, 0), 0)     AS remainder_back
    FROM sold
    LEFT JOIN dues USING (order_key)
),
refunds AS (
    SELECT
        *,
        row_number() OVER (PARTITION BY order_key ORDER BY remainder_back DESC, line)  AS turn_back,
        due - sum(whole_back) OVER (PARTITION BY order_key)  AS left_back,
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
        buyer(email, phone, own_customer, plain_emails, inner_pad, outer_pad)  AS customer_id
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
    WHERE (cancelled_at IS NOT NULL OR refunded > 0 OR is_refunded) AND sold_units > 0
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

CREATE TABLE rejected AS
SELECT
    lines.line,
    orders.order_name                                         AS order_id,
    lines.sku,
    coalesce(lines.reason, reconciled.reason)                 AS reason
FROM lines
JOIN orders ON orders.order_key IS NOT DISTINCT FROM lines.order_key
JOIN reconciled ON reconciled.order_key IS NOT DISTINCT FROM lines.order_key
WHERE reconciled.reason IS NOT NULL OR (lines.reason IS NOT NULL AND reconciled.no_sale IS NULL);

-- Orders that the file has in full: they replace the stored ones.
CREATE TABLE file_orders AS
SELECT order_id, order_name AS name
FROM reconciled
WHERE reason IS NULL;

CREATE TABLE left_out AS
SELECT no_sale AS kind, count(*) AS count FROM orders WHERE no_sale IS NOT NULL GROUP BY kind
UNION ALL
SELECT lines.no_sale, count(*)
FROM lines
JOIN orders USING (order_key)
WHERE lines.no_sale IS NOT NULL AND orders.no_sale IS NULL
GROUP BY lines.no_sale
UNION ALL
SELECT 'canceled', count(*) FROM reconciled
WHERE reason IS NULL AND no_sale IS NULL AND cancelled_at IS NOT NULL
UNION ALL
SELECT 'removed line', count(*) FROM lines JOIN orders USING (order_key)
WHERE lines.units = 0 AND orders.no_sale IS NULL AND lines.no_sale IS NULL
UNION ALL
SELECT charge, count(*) FROM (
    SELECT unnest([
        CASE WHEN taxes > 0 THEN 'tax' END, CASE WHEN shipping > 0 THEN 'shipping' END,
        CASE WHEN duties > 0 THEN 'duties' END
    ]) AS charge
    FROM reconciled
    WHERE reason IS NULL AND no_sale IS NULL
)
WHERE charge IS NOT NULL
GROUP BY charge;
