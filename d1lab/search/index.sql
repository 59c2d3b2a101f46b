-- index: the tables of the search index, made of `incoming` (kind, shop, key, title, events)
-- Entries are numbered in the order in which those are listed that answer equally well; words in
-- theirs, so that those with a common beginning lie side by side, also in `places`. Each table is
-- sorted by what it is asked for.
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
