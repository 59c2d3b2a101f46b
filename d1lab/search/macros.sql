-- macros: split texts into words, and words into the variants used to find typos
-- A variant is the first 7 letters of a word with letters deleted. Two words that differ by a typo
-- share a variant (symmetric deletion, as in SymSpell). Only one letter is deleted from numbers and
-- codes, because with two errors they usually match a different number.
CREATE MACRO plain(x) AS lower(strip_accents(x));
CREATE MACRO words_of(x) AS
    list_distinct(regexp_extract_all(left(plain(x), 1000), '[\p{L}\p{N}]+'));
CREATE MACRO errors_allowed(word) AS CASE
    WHEN length(word) < 4 THEN 0
    WHEN length(word) < 8 OR regexp_matches(word, '[0-9]') THEN 1
    ELSE 2
END;
CREATE MACRO without_one(x) AS
    list_transform(range(1, length(x) + 1), lambda place: left(x, place - 1) || substr(x, place + 1));
CREATE MACRO variants_1(word) AS
    list_append(without_one(left(word, 7)), left(word, 7));
CREATE MACRO variants_2(word) AS
    flatten(list_transform(variants_1(word), lambda variant: list_append(without_one(variant), variant)));
CREATE MACRO variants(word) AS list_distinct(CASE
    WHEN length(word) < 3 THEN []
    WHEN errors_allowed(word) = 2 THEN variants_2(word)
    ELSE variants_1(word)
END);
