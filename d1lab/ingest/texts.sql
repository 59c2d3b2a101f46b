-- texts: macros that parse the texts of a file: trimmed, exact, and NULL if invalid.
-- checked_events.sql and the files that read orders share them.
CREATE TEMP MACRO given(x) AS nullif(trim(x, e' \t\r\n'), '');
CREATE TEMP MACRO units(x) AS  -- meters and kilograms have fractions
    CASE WHEN regexp_full_match(x, '[0-9]{1,9}([.][0-9]*)?') THEN try_cast(x AS DECIMAL(18, 6)) END;
CREATE TEMP MACRO amount(x) AS
    CASE WHEN regexp_full_match(x, '-?[0-9]+([.][0-9]*)?([eE][-+]?[0-9]+)?')
        THEN try_cast(x AS DECIMAL(18, 6)) END;
CREATE TEMP MACRO instant(x) AS
    CASE WHEN regexp_full_match(
            x,
            '[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9]{2}:[0-9]{2}(:[0-9]{2}([.][0-9]+)?)?'
            || '( ?(Z|UTC|[+-][0-9]{2}(:?[0-9]{2})?))?)?'
        ) THEN date_trunc('second', try_cast(
            regexp_replace(x, ' ?([+-][0-9]{2}):?([0-9]{2})$', '\1:\2') AS TIMESTAMPTZ
        )::TIMESTAMP) END;
CREATE TEMP MACRO digits(currency) AS CASE  -- ISO 4217: number of decimal places
    WHEN currency IN (
        'BIF', 'CLP', 'DJF', 'GNF', 'ISK', 'JPY', 'KMF', 'KRW', 'PYG', 'RWF', 'UGX', 'VND', 'VUV',
        'XAF', 'XOF', 'XPF'
    ) THEN 0
    WHEN currency IN ('BHD', 'IQD', 'JOD', 'KWD', 'LYD', 'OMR', 'TND') THEN 3
    ELSE 2
END;
CREATE TEMP MACRO missing(field, x) AS CASE WHEN x IS NULL THEN field || ' is missing' END;
CREATE TEMP MACRO wrong(field, x, wanted) AS
    field || ' ''' || left(x, 40) || ''' is not ' || wanted;
CREATE TEMP MACRO pseudonym(x, inner_pad, outer_pad) AS  -- the first 128 bits of HMAC-SHA256
    left(sha256(outer_pad || unhex(sha256(inner_pad || encode(x)))), 32);
CREATE TEMP MACRO is_person(x) AS  -- a POS placeholder name is not a person
    NOT regexp_full_match(
        lower(x),
        '(walk[ -]?in|guest|cash|pos|counter|anonymous|unknown|default|till)([ -]?(customer|client|sale))?'
        || '|(no|general|retail|store|shop)[ -]?customer|laufkund(e|schaft)|barverkauf|diverse'
    );
CREATE TEMP MACRO buyer(email, phone, own, is_plain, inner_pad, outer_pad) AS CASE
    WHEN is_plain THEN coalesce(lower(email), phone, own)
    WHEN email IS NULL AND phone IS NULL AND NOT is_person(own) THEN own
    WHEN coalesce(email, phone, own) IS NOT NULL
        THEN pseudonym(coalesce(lower(email), phone, own), inner_pad, outer_pad)
END;
