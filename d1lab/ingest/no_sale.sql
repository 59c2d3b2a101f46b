-- no_sale: the only rules for entries of order files that are not sales, used by every layout
-- Each macro returns the kind, as counted in results, or NULL for a sale.
--   order    test order, voided, expired, canceled, failed, not placed: the order is left out
--   line     tip, gift card: the line is left out; the card's value is a liability
--   charge   tax, shipping, duties: parts of an order's total that are not revenue
-- Shopify's canceled orders are the exception: they were sold, and are refunded when canceled.
CREATE TEMP MACRO no_sale_status(status) AS CASE
    WHEN regexp_full_match(status, 'void(ed)?') THEN 'voided'
    WHEN regexp_full_match(status, 'expired?|abandoned') THEN 'expired'
    WHEN regexp_matches(status, '^(wc-)?(cancel(l?ed)?|cancell?ation|declined|trash(ed)?|deleted)')
        THEN 'canceled'
    WHEN regexp_matches(
        status, '^(wc-)?(failed|payment failed|payment error|blocked|disputed - lost|rejected)'
    ) THEN 'failed'
    WHEN regexp_matches(
        status,
        '^(wc-)?(checkout-draft|draft|quote|auto-draft|incomplete|requires_|pending payment$)'
    ) THEN 'not placed'
END;
CREATE TEMP MACRO no_sale_test(gateway, is_test) AS
    CASE WHEN lower(is_test) IN ('true', '1', 'yes', 'test')
        OR regexp_matches(gateway, 'bogus|[(]for testing[)]|test (mode|gateway|payment)', 'i')
        THEN 'test order' END;
CREATE TEMP MACRO no_sale_line(title, sku, is_card, needs_shipping) AS CASE
    WHEN lower(is_card) IN ('true', '1', 'yes') THEN 'gift card'
    WHEN regexp_matches(
        coalesce(title, ''),
        '^(e-?|digital |virtual |online )?(gift[ -]?(card|certificate|voucher)s?'
        || '|store credit|geschenk(karte|gutschein)|gutschein|carte[ -]cadeau|ch[eè]que[ -]cadeau'
        || '|bon cadeau|tarjeta (de )?regalo|buono regalo|carta regalo|cadeaubon|cadeaukaart'
        || '|presentkort|gavekort|cart[aã]o[ -]presente|vale[ -]presente)($|[^a-z])',
        'i'
    ) AND lower(coalesce(needs_shipping, '')) NOT IN ('true', '1', 'yes')
        AND NOT regexp_matches(
            title, '(holder|sleeve|box|envelope|tin|pouch|wallet|bag|stand|case)s?\b', 'i'
        ) THEN 'gift card'
    WHEN sku IS NULL AND regexp_full_match(
        coalesce(title, ''),
        '(add(ed)? )?(tips?|gratuity|trinkgeld|pourboire|propina|gorjeta|mancia|fooi|dricks|drikkepenge)'
        || '( ?[(:-].*)?',
        'i'
    ) THEN 'tip'
END;
