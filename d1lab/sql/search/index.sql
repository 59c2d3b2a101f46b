-- index: the tables of the search index, made of `incoming` (kind, shop, key, title, events)
-- Words are numbered in their order, so that those with a common beginning lie side by side, also
-- in `places`; each table is sorted by what it is asked for.
CREATE TABLE index.entries AS
SELECT
    row_number() OVER (ORDER BY kind, shop, key) AS entry,
    *,
    plain(key)                                   AS key_text,
    plain(title)                                 AS title_text
FROM incoming;

CREATE TEMP TABLE said AS
SELECT entry, unnest(words_of(concat_ws(' ', key_text, title_text))) AS word FROM index.entries;

CREATE TABLE index.words AS
SELECT row_number() OVER (ORDER BY word) AS word_id, word
FROM (SELECT DISTINCT word FROM said)
ORDER BY word;

-- Searched for parts of words, one by one: so without hashed names, of which nobody knows a middle.
CREATE TABLE index.parts AS
SELECT word_id, word FROM index.words WHERE length(word) BETWEEN 4 AND 24 ORDER BY word_id;

CREATE TABLE index.places AS
SELECT word_id, entry FROM said JOIN index.words USING (word) ORDER BY word_id, entry;

CREATE TABLE index.variants AS
SELECT hash(variant) AS variant, word_id
FROM (SELECT word_id, unnest(variants(word)) AS variant FROM index.words)
ORDER BY variant;

DROP TABLE said;
