-- ranked: the best matches of a query, in order, each with its kind of match
-- grain: entry      reads: index.wholes, candidates (entry, words, worst, total)
-- words: number of query words in the entry; worst and total: maximum and sum of their grades.
-- match: exact or prefix of the whole key or title; words: every word, or a word that starts with
-- it; inside: as part of a word; typo: with typos; some: not all words.
-- Grades of a word: 0 equal, 1 starts with it, 2 contains it, 3 one typo, 4 two typos.
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
