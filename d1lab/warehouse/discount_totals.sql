-- One row per discount and SKU, over all time, as counted by the app or `d1lab aggregate`.
--
-- Rows that the app's retention moved to analytics_archive stay in the sums; a row in both tables
-- counts once. An upsert that starts at 0 does not count a row's first use: this is detected by
-- rows with a discount but no use, or set by `uses_start`, and one use is added to each row. If the
-- app records no time of use, a row's creation is its first use. Unrecorded revenue stays NULL.
WITH owner AS (
    SELECT count(*) = 0 AS is_apps FROM raw.d1lab_owned
    WHERE table_name = 'discount_analytics' AND part = 'counters'
        AND how IS DISTINCT FROM 'left'
),
live AS (
    SELECT
        shop, discount_id, sku, discount_code, times_used, revenue_before_discount,
        discount_amount, revenue_after_discount, unique_customers, repeat_usage_count,
        first_used_at, last_used_at, created_at, concat_ws(' ', id, created_at) AS identity
    FROM raw.discount_analytics
),
moved AS (
    SELECT
        shop, discount_id, sku, discount_code, times_used, revenue_before_discount,
        discount_amount, revenue_after_discount, unique_customers, repeat_usage_count,
        first_used_at, last_used_at, created_at, concat_ws(' ', id, created_at) AS identity
    FROM raw.analytics_archive
    WHERE (SELECT is_apps FROM owner)
    QUALIFY row_number()
        OVER (PARTITION BY shop, discount_id, sku, identity ORDER BY _rowid DESC) = 1
),
counted AS (
    FROM live
    UNION ALL
    FROM moved ANTI JOIN live USING (shop, discount_id, sku, identity)
),
upsert AS (
    SELECT
        is_apps,
        CASE WHEN is_apps AND coalesce(
            getvariable('uses_start')::INTEGER = 0,
            (SELECT count(*) > 0 FROM counted WHERE times_used = 0 AND discount_amount > 0)
        ) THEN 1 ELSE 0 END  AS uncounted
    FROM owner
),
totals AS (
    SELECT
        shop,
        discount_id,
        max(discount_code)                                           AS discount_code,
        sku,
        sum(times_used + uncounted)::BIGINT                          AS times_used,
        CASE WHEN count(*) = count(revenue_before_discount)
            THEN sum(revenue_before_discount) END                    AS revenue_before_discount,
        sum(discount_amount)                                         AS discount_amount,
        CASE WHEN count(*) = count(revenue_after_discount)
            THEN sum(revenue_after_discount) END                     AS revenue_after_discount,
        max(unique_customers)                                        AS unique_customers,
        sum(repeat_usage_count)::BIGINT                              AS repeat_usage_count,
        min(coalesce(first_used_at, CASE WHEN is_apps THEN created_at END))  AS first_used_at,
        max(coalesce(last_used_at, first_used_at, CASE WHEN is_apps THEN created_at END))
                                                                     AS last_used_at,
        CASE WHEN any_value(is_apps) THEN 'app' ELSE 'd1lab' END     AS counted_by
    FROM counted CROSS JOIN upsert
    GROUP BY shop, discount_id, sku
)
SELECT
    shop,
    discount_id,
    discount_code,
    sku,
    times_used,
    revenue_before_discount,
    discount_amount,
    revenue_after_discount,
    unique_customers,
    repeat_usage_count,
    first_used_at,
    last_used_at,
    local_day(shop, first_used_at)  AS first_used_day,
    local_day(shop, last_used_at)   AS last_used_day,
    counted_by
FROM totals
