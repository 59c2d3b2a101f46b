-- ranked: entries by how well they answer a query
-- grain: entry      reads: index.entries, candidates (entry, words, worst, total)
-- words: how many words of the query the entry holds; worst and total: of these words' grades.
-- `match` says why: exact or prefix of the whole key or title; words: every word is there, or one
-- that begins with it; inside: as part of a word; typo: but for typing errors; some: not all words.
-- Grades of a word: 0 the word itself, 1 begins with it, 2 holds it, 3 one typing error, 4 two.
WITH judged AS (
    SELECT
        entries.*,
        CASE
            WHEN key_text = $text OR title_text = $text THEN 1
            WHEN starts_with(key_text, $text) OR starts_with(title_text, $text) THEN 2
            WHEN words < len($words::VARCHAR[]) THEN 6
            WHEN worst <= 1 THEN 3
            WHEN worst = 2 THEN 4
            ELSE 5
        END   AS rank,
        words,
        total
    FROM candidates
    JOIN (FROM index.entries WHERE true /* among */) AS entries USING (entry)
    WHERE
        ($kinds IS NULL OR list_contains($kinds::VARCHAR[], kind))
        AND ($shop IS NULL OR shop = $shop)
)
SELECT
    ['exact', 'prefix', 'words', 'inside', 'typo', 'some'][rank] AS match,
    kind,
    shop,
    key,
    title,
    events
FROM judged
QUALIFY rank < 6 OR min(rank) OVER () = 6
ORDER BY rank, words DESC, total, events DESC, length(key_text), kind, shop, key
LIMIT $limit
