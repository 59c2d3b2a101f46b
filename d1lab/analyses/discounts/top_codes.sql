-- top_codes: discounts used in a period, with order lines, discounts given, and revenue
-- unit: order lines, customers, money, ratio      grain: discount_id      reads: order_lines
-- $until: last day of the period
-- $days: length of the period, in days
-- share_of_uses: % of uses, percent
-- assert: unique discount_id
-- assert: share_of_uses BETWEEN 0 AND 1
-- assert: orders <= uses
WITH lines AS (
    SELECT *, type = 'order' AS is_use
    FROM order_lines
    WHERE shop = $shop
        AND discount_id IS NOT NULL
        AND day BETWEEN $until::DATE - $days::INTEGER + 1 AND $until::DATE
),
totals AS (
    SELECT
        discount_id,
        arg_max(discount_code, (occurred_at, event_id))
            FILTER (discount_code IS NOT NULL)             AS discount_code,
        count(DISTINCT discount_code)                      AS codes,
        count(*) FILTER (is_use)                           AS uses,
        count(DISTINCT order_id) FILTER (is_use)           AS orders,
        count(DISTINCT customer_id) FILTER (is_use)        AS customers,
        sum(discount_amount)                               AS savings,
        sum(revenue)                                       AS revenue
    FROM lines
    GROUP BY discount_id
),
final AS (
    SELECT
        discount_id,
        CASE
            WHEN codes > 1 THEN discount_id || ' (' || codes || ' codes)'
            ELSE coalesce(discount_code, 'no code recorded: ' || discount_id)
        END                                                AS discount,
        uses,
        uses / sum(uses) OVER ()                           AS share_of_uses,
        orders,
        customers,
        savings,
        revenue,
        CASE WHEN least(savings, revenue) >= 0 THEN savings / nullif(savings + revenue, 0) END AS depth
    FROM totals
    WHERE uses > 0
)
SELECT * FROM final ORDER BY uses DESC, discount_id
