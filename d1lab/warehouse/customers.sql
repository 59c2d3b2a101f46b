-- One row per customer. Segment, group, scores, and lifetime value are d1lab's last results.
SELECT
    shop,
    customer_id,
    app.total_discounts_used   AS discounts_used,
    app.total_savings          AS savings,
    app.favorite_discount_type,
    app.avg_order_value        AS average_order_value,
    app.purchase_frequency,
    app.last_purchase_date     AS last_purchase_day,
    app.customer_segment,
    scores.rfm_group,
    scores.r_score,
    scores.f_score,
    scores.m_score,
    app.lifetime_value,
    scores.lifetime_value_method
FROM raw.customer_insights AS app
LEFT JOIN raw.d1lab_customer_scores AS scores USING (shop, customer_id)
