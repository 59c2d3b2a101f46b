-- ab_test_arms: totals of the variants beyond a and b, of A/B tests with three and more variants
-- unit: visitors, conversions, money      grain: shop, test_id, variant      reads: ab_test_arms
-- variant: Variant
-- assert: unique shop, test_id, variant
-- assert: visitors >= 0 AND conversions >= 0
--
-- `share` is the declared share of all visitors. Totals are current, as those of a and b.
SELECT
    shop,
    test_id,
    variant,
    share,
    visitors,
    conversions,
    revenue,
    revenue_squares,
    profit,
    profit_squares
FROM ab_test_arms
WHERE shop = $shop
ORDER BY test_id, variant
