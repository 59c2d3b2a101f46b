-- ranked: the entries that answer a query best, in their order, each with its match
-- grain: entry      reads: index.wholes, candidates (entry, words, worst, total)
-- words: how many words of the query the entry holds; worst and total: of these words' grades.
-- `match` says why: exact or prefix of the whole key or title; words: every word is there, or one
-- that begins with it; inside: as part of a word; typo: but for typing errors; some: not all words.
-- Grades of a word: 0 the word itself, 1 begins with it, 2 holds it, 3 one typing error, 4 two.
WITH begun AS (
    SELECT entry, min(CASE WHEN text = $text THEN 1 ELSE 2 END) AS rank
    FROM index.wholes
    WHERE text BETWEEN $text AND $text_end AND starts_with(text, $text)
    GROUP BY entry
),
judged AS (
    SELECT
        entry,
        CASE
            WHEN begun.rank IS NOT NULL THEN begun.rank
            WHEN words < $asked THEN 6
            WHEN worst <= 1 THEN 3
            WHEN worst = 2 THEN 4
            ELSE 5
        END   AS rank,
        words,
        total
    FROM candidates
    LEFT JOIN begun USING (entry)
    WHERE true /* narrowed */
)
SELECT entry, ['exact', 'prefix', 'words', 'inside', 'typo', 'some'][rank] AS match
FROM judged
QUALIFY rank < 6 OR min(rank) OVER () = 6
ORDER BY rank, words DESC, total, entry
LIMIT $limit
