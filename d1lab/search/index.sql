-- index: the tables of the search index, built from `incoming` (kind, shop, key, title, events)
-- Entries are numbered by rank among equally good matches. Words are numbered alphabetically, so
-- that words with a common prefix are adjacent, also in `places`. Each table is sorted by its filter
-- column.
CREATE TABLE index.entries AS
SELECT row_number() OVER (ORDER BY events DESC, length(key), kind, shop, key) AS entry, *
FROM incoming
ORDER BY entry;

CREATE TABLE index.wholes AS
SELECT left(plain(key), 1000) AS text, entry FROM index.entries
UNION ALL
SELECT left(plain(title), 1000), entry FROM index.entries WHERE title IS NOT NULL
ORDER BY text, entry;

CREATE TEMP TABLE said AS
SELECT entry, unnest(words_of(concat_ws(' ', key, title))) AS word FROM index.entries;

CREATE TABLE index.words AS
SELECT row_number() OVER (ORDER BY word) AS word_id, word
FROM (SELECT DISTINCT word FROM said)
ORDER BY word;

-- Scanned for parts of words, so very long words, such as hashed names, are excluded.
CREATE TABLE index.parts AS
SELECT word_id, word FROM index.words WHERE length(word) BETWEEN 4 AND 24 ORDER BY word_id;

CREATE TABLE index.places AS
SELECT word_id, entry FROM said JOIN index.words USING (word) ORDER BY word_id, entry;

CREATE TABLE index.variants AS
SELECT hash(variant) AS variant, word_id
FROM (SELECT word_id, unnest(variants(word)) AS variant FROM index.words)
ORDER BY variant;

DROP TABLE said;
