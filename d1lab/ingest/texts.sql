-- texts: how the texts of a file are read: trimmed, exact, and NULL where they are not what they
-- should be. checked_events.sql and the files that read orders share them.
CREATE TEMP MACRO given(x) AS nullif(trim(x, e' \t\r\n'), '');
CREATE TEMP MACRO whole(x) AS
    CASE WHEN regexp_full_match(x, '[0-9]{1,9}([.]0*)?') THEN try_cast(x AS BIGINT) END;
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
CREATE TEMP MACRO missing(field, x) AS CASE WHEN x IS NULL THEN field || ' is missing' END;
CREATE TEMP MACRO wrong(field, x, wanted) AS
    field || ' ''' || left(x, 40) || ''' is not ' || wanted;
CREATE TEMP MACRO pseudonym(x, inner_pad, outer_pad) AS  -- HMAC-SHA256, its first 128 bits
    left(sha256(outer_pad || unhex(sha256(inner_pad || encode(x)))), 32);
