-- The statements of the guide's app, as its Worker sends them: `d1lab doctor --advise` plans them.

INSERT INTO discount_analytics (shop, discount_id, sku, discount_amount) VALUES (?, ?, ?, ?)
ON CONFLICT (shop, discount_id, sku) DO UPDATE SET times_used = times_used + 1,
    discount_amount = discount_amount + excluded.discount_amount, last_used_at = CURRENT_TIMESTAMP;

INSERT INTO daily_discount_stats (shop, date, total_discounts_used, total_revenue_impact)
VALUES (?, date(?), 1, ?)
ON CONFLICT (shop, date) DO UPDATE SET total_discounts_used = total_discounts_used + 1,
    total_revenue_impact = total_revenue_impact + excluded.total_revenue_impact;

INSERT INTO product_performance (shop, sku, units_sold_with_discount, total_discount_given)
VALUES (?, ?, 1, ?)
ON CONFLICT (shop, sku) DO UPDATE SET units_sold_with_discount = units_sold_with_discount + 1,
    total_discount_given = total_discount_given + excluded.total_discount_given,
    updated_at = CURRENT_TIMESTAMP;

SELECT COUNT(DISTINCT discount_id) AS total_discounts, SUM(times_used) AS total_uses,
    SUM(discount_amount) AS total_savings, COUNT(DISTINCT sku) AS unique_skus
FROM discount_analytics WHERE shop = ? AND last_used_at >= date('now', '-30 days');

INSERT INTO analytics_archive
SELECT * FROM discount_analytics WHERE created_at < date('now', '-90 days');

DELETE FROM discount_analytics WHERE created_at < date('now', '-90 days');

SELECT COUNT(*) AS total_rows, SUM(length(CAST(discount_amount AS TEXT))) AS approx_size
FROM discount_analytics;
