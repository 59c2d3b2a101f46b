-- demand_history: units sold, demand, and discount depth of each SKU with stock, by week, as lists
-- unit: units, ratio, weeks      grain: shop, sku      reads: inventory_days, order_lines
-- $until: last day of the last week
-- $weeks: number of weeks
-- ago_weeks: Weeks ago
-- other_demand: Demand of other weeks [units]
-- assert: unique shop, sku
-- assert: len(units) = len(ago_weeks) AND len(demand_units) = len(ago_weeks)
-- assert: len(depth) = len(ago_weeks) AND len(ago_weeks) <= $weeks::INTEGER
--
-- The rules are those of the metric weekly_demand. It has a row per SKU and week, too many for tens of
-- thousands of SKUs: here, only weeks with stock or an order are listed, newest first. ago_weeks: 0 is
-- the last week.
-- demand_units: NaN if unknown. other_demand: that of each week that is not listed: 0, or NaN
-- if no orders are recorded.
WITH known AS NOT MATERIALIZED (
    SELECT sku, day, starting_units, units_sold, row_id
    FROM inventory_days
    WHERE shop = $shop
        AND day BETWEEN $until::DATE - 7 * $weeks::INTEGER + 1 AND $until::DATE
        AND starting_units IS NOT NULL AND units_sold IS NOT NULL
),
-- SKUs by number: for millions of weeks, names take gigabytes.
skus AS MATERIALIZED (
    SELECT sku, (row_number() OVER ())::INTEGER                          AS number
    FROM (SELECT DISTINCT sku FROM known)
),
ledger AS NOT MATERIALIZED (
    SELECT
        number,
        day,
        (($until::DATE - day) // 7)::SMALLINT                            AS ago,
        (1 << ($until::DATE - day) % 7)::TINYINT                         AS day_mask,
        units_sold                                                       AS units,
        starting_units > 0 OR units_sold > 0                             AS in_stock,
        row_id
    FROM known
    JOIN skus USING (sku)
),
-- By week, not by day: a day with two rows is rare, and counted again below.
weekly AS MATERIALIZED (
    SELECT
        number,
        ago,
        bit_or(day_mask)                                                 AS days,
        count(*) > bit_count(bit_or(day_mask))                           AS repeats,
        sum(units)::DOUBLE                                               AS units,
        (count(*) FILTER (NOT in_stock))::INTEGER                        AS empty_days
    FROM ledger
    GROUP BY number, ago
),
-- A day counts once: of duplicate rows, the one written last.
last_written AS (
    SELECT number, ago, arg_max(units, row_id) AS units, arg_max(in_stock, row_id) AS in_stock
    FROM ledger
    JOIN (SELECT number, ago FROM weekly WHERE repeats) USING (number, ago)
    GROUP BY number, ago, day
),
counted_again AS (
    SELECT number, ago, sum(units)::DOUBLE AS units, count(*) FILTER (NOT in_stock) AS empty_days
    FROM last_written
    GROUP BY number, ago
),
sold AS (
    SELECT
        number,
        lines.ago,
        (sum(lines.units) FILTER (coalesce(days, 0) & day_mask = 0))::DOUBLE  AS units,
        sum(discount_amount) FILTER (type = 'order')
            / nullif(sum(revenue + discount_amount) FILTER (type = 'order'), 0)  AS depth
    FROM (
        SELECT
            *,
            (($until::DATE - day) // 7)::SMALLINT                        AS ago,
            (1 << ($until::DATE - day) % 7)::TINYINT                     AS day_mask
        FROM order_lines
        WHERE shop = $shop
            AND day BETWEEN $until::DATE - 7 * $weeks::INTEGER + 1 AND $until::DATE
    ) AS lines
    JOIN skus USING (sku)
    LEFT JOIN weekly USING (number, ago)
    GROUP BY number, lines.ago
),
-- Where orders are recorded, a day without a row is a day without a sale; otherwise unknown.
recorded AS (
    SELECT CASE WHEN count(*) > 0 THEN 7 ELSE 0 END AS days
    FROM order_lines
    WHERE shop = $shop
        AND day BETWEEN $until::DATE - 7 * $weeks::INTEGER + 1 AND $until::DATE
),
counted AS (
    SELECT
        number,
        ago,
        coalesce(counted_again.units, weekly.units, 0) + coalesce(sold.units, 0)  AS units,
        recorded.days                                                    AS recorded_days,
        greatest(recorded.days, bit_count(coalesce(weekly.days, 0)))     AS known_days,
        coalesce(counted_again.empty_days, weekly.empty_days, 0)         AS empty_days,
        coalesce(depth, 0)::DOUBLE                                       AS depth
    FROM weekly
    FULL JOIN sold USING (number, ago)
    LEFT JOIN counted_again USING (number, ago)
    CROSS JOIN recorded
),
by_week AS (
    SELECT
        number,
        any_value(recorded_days)                                         AS recorded_days,
        list({
            ago: ago,
            units: units,
            demand: CASE WHEN known_days - empty_days >= 2 AND known_days >= 4
                THEN units * 7 / (known_days - empty_days) ELSE 'nan'::DOUBLE END,
            depth: depth
        })                                                               AS weekly
    FROM counted
    GROUP BY number
),
-- Sorted afterwards: sorting while listing keeps the rows of all SKUs at once.
sorted AS (
    SELECT number, recorded_days, list_sort(weekly) AS weekly FROM by_week
),
final AS (
    SELECT
        $shop                                                            AS shop,
        sku,
        $weeks::INTEGER                                                  AS weeks,
        CASE recorded_days WHEN 7 THEN 0 ELSE 'nan'::DOUBLE END          AS other_demand,
        [week.ago FOR week IN weekly]                                    AS ago_weeks,
        [week.units FOR week IN weekly]                                  AS units,
        [week.demand FOR week IN weekly]                                 AS demand_units,
        [week.depth FOR week IN weekly]                                  AS depth
    FROM sorted
    JOIN skus USING (number)
)
SELECT * FROM final ORDER BY sku
