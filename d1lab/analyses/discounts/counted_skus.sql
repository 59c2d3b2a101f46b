-- counted_skus: discount totals per SKU from the app's own counters since the first use, most
-- discounts given first
-- unit: uses, discounts, money, ratio      grain: sku      reads: discount_totals, products
-- $until: last day included; a SKU first discounted later is excluded
-- discounts_used: Discounts, integer
-- assert: unique sku
-- assert: first_used_on <= last_used_on
--
-- The totals are current totals, also for an earlier $until.
WITH totals AS (
    SELECT
        sku,
        sum(times_used)                    AS times_used,
        count(DISTINCT discount_id)        AS discounts_used,
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
    GROUP BY sku
),
titles AS (
    SELECT sku, max(product_title) AS product_title FROM products WHERE shop = $shop GROUP BY sku
),
final AS (
    SELECT
        coalesce(product_title || ' (' || sku || ')', sku)  AS product,
        totals.* EXCLUDE (first_used_on, last_used_on),
        savings / nullif(revenue_before, 0)                 AS depth,
        first_used_on,
        last_used_on
    FROM totals
    LEFT JOIN titles USING (sku)
)
SELECT * FROM final ORDER BY savings DESC, sku
