-- leaking_codes: customers per code compared with the shop's other codes
-- unit: customers, order lines, ratio      grain: discount_code      reads: order_lines
-- $until: last day of the period
-- $days: length of the period, in days
-- usual_customers: Typical customers per code, number
-- days_used: Days in use, integer
-- assert: unique discount_code
-- assert: customers <= uses
-- assert: first_day <= last_day
--
-- The intended audience of a code is not recorded, so codes are compared with one another. A code
-- leaks if the logarithm of its customers is beyond Tukey's outer fence (upper quartile plus three
-- times the interquartile range) and it has at least ten customers. NULL below eight codes.
WITH codes AS (
    SELECT
        discount_code,
        count(DISTINCT customer_id)                                AS customers,
        count(*)                                                   AS uses,
        count(DISTINCT day)                                        AS days_used,
        min(day)                                                   AS first_day,
        max(day)                                                   AS last_day
    FROM order_lines
    WHERE shop = $shop
        AND type = 'order'
        AND discount_code IS NOT NULL
        AND day BETWEEN $until::DATE - $days::INTEGER + 1 AND $until::DATE
    GROUP BY discount_code
),
fence AS (
    SELECT
        count(*)                                                   AS codes,
        median(customers)                                          AS usual_customers,
        exp(4 * quantile_cont(ln(greatest(customers, 1)), .75)
            - 3 * quantile_cont(ln(greatest(customers, 1)), .25))  AS fence
    FROM codes
),
final AS (
    SELECT
        codes.discount_code,
        customers,
        usual_customers,
        uses,
        days_used,
        first_day,
        last_day,
        CASE WHEN fence.codes >= 8 THEN customers > greatest(fence, 9) END  AS leaks
    FROM codes, fence
)
SELECT * FROM final ORDER BY customers DESC, discount_code
