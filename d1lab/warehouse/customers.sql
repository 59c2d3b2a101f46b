-- One row per customer. Segment, group, scores, and lifetime value are d1lab's last results.
SELECT
    shop,
    customer_id,
    total_discounts_used   AS discounts_used,
    total_savings          AS savings,
    favorite_discount_type,
    avg_order_value        AS average_order_value,
    purchase_frequency,
    last_purchase_date     AS last_purchase_day,
    customer_segment,
    rfm_group,
    r_score,
    f_score,
    m_score,
    lifetime_value,
    lifetime_value_method
FROM raw.customer_insights
LEFT JOIN raw.d1lab_customer_scores USING (shop, customer_id)
