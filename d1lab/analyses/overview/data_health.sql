-- data_health: order lines of a period with missing data that a report needs, by check
-- unit: order lines      grain: check_name      reads: order_lines
-- $until: last day of the period
-- $days: length of the period, in days
-- share: Share, percent
-- assert: unique check_name
-- assert: found BETWEEN 0 AND lines
WITH lines AS (
    SELECT *
    FROM order_lines
    WHERE shop = $shop AND day BETWEEN $until::DATE - $days::INTEGER + 1 AND $until::DATE
),
counts AS (
    SELECT
        count(*)                                                       AS lines,
        count(*) FILTER (customer_id IS NULL)                          AS without_customer,
        count(*) FILTER (product_title IS NULL)                        AS without_title,
        count(*) FILTER (discount_id IS NOT NULL AND discount_code IS NULL)  AS discount_without_code,
        count(*) FILTER (type = 'refund')                              AS refunds,
        count(*) FILTER (units IS NULL OR revenue IS NULL)             AS without_amount
    FROM lines
),
final AS (
    UNPIVOT counts
    ON without_customer, without_title, discount_without_code, refunds, without_amount
    INTO NAME check_name VALUE found
)
SELECT check_name, found, lines, found / nullif(lines, 0) AS share FROM final ORDER BY check_name
