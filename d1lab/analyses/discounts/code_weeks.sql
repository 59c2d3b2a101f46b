-- code_weeks: discounts given by each discount in each of the last weeks, oldest first
-- unit: money      grain: discount_id      reads: order_lines
-- $until: last day of the last week
-- $weeks: number of weeks
-- weekly_savings: Given per week, trend
-- assert: unique discount_id
-- assert: len(weekly_savings) = $weeks::INTEGER
--
-- Weeks end on the weekday of `$until`. Refunds reduce the amount of the week of the refund.
WITH weekly AS (
    SELECT
        discount_id,
        ($until::DATE - day) // 7                          AS ago,
        sum(discount_amount)::DOUBLE                       AS savings
    FROM order_lines
    WHERE shop = $shop
        AND discount_id IS NOT NULL
        AND day BETWEEN $until::DATE - 7 * $weeks::INTEGER + 1 AND $until::DATE
    GROUP BY ALL
),
grid AS (
    SELECT discount_id, ago
    FROM (SELECT DISTINCT discount_id FROM weekly), (SELECT unnest(range($weeks::INTEGER)) AS ago)
),
final AS (
    SELECT
        discount_id,
        list(round(coalesce(savings, 0), 2) ORDER BY ago DESC)  AS weekly_savings
    FROM grid
    LEFT JOIN weekly USING (discount_id, ago)
    GROUP BY discount_id
)
SELECT * FROM final ORDER BY discount_id
