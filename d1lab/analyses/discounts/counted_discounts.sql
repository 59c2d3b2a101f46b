-- counted_discounts: totals per discount from the app's own counters since its first use, most
-- used first
-- unit: uses, SKUs, customers, money, ratio      grain: discount_id      reads: discount_totals
-- $until: last day included; a discount first used later is excluded
-- times_used: Uses, integer
-- discounted_skus: SKUs, integer
-- customers_at_least: Customers (minimum), integer
-- first_used_on: First used, date
-- last_used_on: Last used, date
-- assert: unique discount_id
-- assert: share_of_uses BETWEEN 0 AND 1
-- assert: first_used_on <= last_used_on
--
-- The totals are current totals, also for an earlier $until. Revenue is NULL unless it is known for
-- every row. The app counts customers per discount and SKU, and a customer can buy several SKUs, so
-- the largest single count is the minimum.
WITH totals AS (
    SELECT
        discount_id,
        max(discount_code)                 AS discount_code,
        sum(times_used)                    AS times_used,
        count(DISTINCT sku)                AS discounted_skus,
        nullif(max(unique_customers), 0)   AS customers_at_least,
        CASE WHEN count(*) = count(revenue_before_discount)
            THEN sum(revenue_before_discount) END  AS revenue_before,
        sum(discount_amount)               AS savings,
        CASE WHEN count(*) = count(revenue_after_discount)
            THEN sum(revenue_after_discount) END   AS revenue_after,
        min(first_used_day)           AS first_used_on,
        max(last_used_day)            AS last_used_on
    FROM discount_totals
    WHERE shop = $shop AND (times_used > 0 OR discount_amount <> 0)
        AND (first_used_day IS NULL OR first_used_day <= $until::DATE)
    GROUP BY discount_id
),
final AS (
    SELECT
        coalesce(discount_code, 'no code recorded: ' || discount_id)  AS discount,
        discount_id,
        times_used,
        times_used / sum(times_used) OVER ()      AS share_of_uses,
        discounted_skus,
        customers_at_least,
        revenue_before,
        savings,
        revenue_after,
        savings / nullif(revenue_before, 0)       AS depth,
        first_used_on,
        last_used_on
    FROM totals
)
SELECT * FROM final ORDER BY times_used DESC, discount_id
