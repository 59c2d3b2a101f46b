-- turnover: stock ledger totals per SKU over a period (inputs for turnover and days of supply)
-- unit: units, days, money      grain: shop, sku      reads: inventory_days, products, order_lines, product_costs
-- $until: last day of the period; recent figures cover its last 28 days
-- $days: length of the period, in days
-- ending_units: Units on hand [units]
-- received_units: Received [units]
-- shrunk_units: Shrinkage [units]
-- repeated_days: Duplicate days, integer
-- stored_turnover_rate: Turnover in D1
-- stored_days_of_supply: Days of supply in D1
-- gap_days: Days with a stock mismatch, integer
-- gap_units: Unexplained units, integer
-- unseen_units: Units over days without data, integer
-- category: Category
-- unit_price: Average selling price, money
-- tied_up: Stock value at selling price, money
-- discount_given: Discounts given, money
-- unit_cost: Unit cost, money
-- tied_up_at_cost: Stock value at cost, money
-- assert: unique shop, sku
-- assert: in_stock_days <= observed_days AND observed_days <= period_days
-- assert: recent_days BETWEEN 0 AND 28
--
-- adjustment: closing stock minus opening stock plus sales; received, or shrinkage if negative.
-- revenue: of the period's orders; without orders, units sold times the average price.
-- stored: values in D1 for the last day. unit_cost: the cost valid on the last day.
-- gap: opening stock minus the previous day's closing stock; unseen: over days without a row.
WITH known AS NOT MATERIALIZED (
    SELECT
        sku, day, row_id, starting_units, ending_units, units_sold, units_sold_with_discount,
        source = 'simulated' AS simulated, turnover_rate, days_of_supply
    FROM inventory_days
    WHERE shop = $shop
        AND day BETWEEN $until::DATE - $days::INTEGER + 1 AND $until::DATE
        AND starting_units IS NOT NULL AND ending_units IS NOT NULL AND units_sold IS NOT NULL
),
-- SKUs by number, which sort faster than names, and whether any of their days has two rows.
skus AS MATERIALIZED (
    SELECT
        sku,
        row_number() OVER ()                                            AS number,
        count(*) > bit_count(bitstring_agg($until::DATE - day, 0, $days::INTEGER))  AS repeats
    FROM known
    GROUP BY sku
),
-- A day counts once: of duplicate rows, the one written last.
days AS NOT MATERIALIZED (
    SELECT known.*, number, FALSE AS repeated
    FROM known JOIN skus USING (sku)
    WHERE NOT repeats
    UNION ALL
    SELECT known.*, number, lag(day) OVER written = day AS repeated
    FROM known JOIN skus USING (sku)
    WHERE repeats
    WINDOW written AS (PARTITION BY number ORDER BY day, row_id)
    QUALIFY lead(day) OVER written IS DISTINCT FROM day
),
-- Only these figures use the previous day and therefore need a sort; they carry few columns.
steps AS (
    SELECT
        number,
        starting_units - lag(ending_units) OVER days_before                    AS gap,
        day - lag(day) OVER days_before > 1                                    AS unseen
    FROM days
    WINDOW days_before AS (PARTITION BY number ORDER BY day)
),
gaps AS (
    SELECT
        number,
        count(*) FILTER (gap <> 0 AND NOT unseen)                        AS gap_days,
        coalesce(sum(abs(gap)) FILTER (NOT unseen), 0)::BIGINT           AS gap_units,
        coalesce(sum(abs(gap)) FILTER (unseen), 0)::BIGINT               AS unseen_units
    FROM steps
    GROUP BY number
),
ledger AS (
    SELECT
        *,
        ending_units - (starting_units - units_sold)                           AS adjustment,
        day > $until::DATE - 28                                                AS recent
    FROM days
),
sums AS (
    SELECT
        number,
        min(day)                                                         AS first_day,
        max(day)                                                         AS last_day,
        $days::INTEGER                                                   AS period_days,
        count(*)                                                         AS observed_days,
        count(*) FILTER (starting_units > 0 OR units_sold > 0)           AS in_stock_days,
        count(*) FILTER (ending_units <= 0)                              AS stockout_days,
        count(*) FILTER (starting_units > 0 OR ending_units > 0)         AS tracked_days,
        sum(units_sold)::BIGINT                                          AS units_sold,
        sum(units_sold_with_discount)::BIGINT                            AS units_sold_with_discount,
        avg(greatest(starting_units, 0) + greatest(ending_units, 0)) / 2  AS average_units,
        arg_min(starting_units, day)                                     AS starting_units,
        arg_max(ending_units, day)                                       AS ending_units,
        coalesce(sum(adjustment) FILTER (adjustment > 0), 0)::BIGINT     AS received_units,
        -coalesce(sum(adjustment) FILTER (adjustment < 0), 0)::BIGINT    AS shrunk_units,
        count(*) FILTER (repeated)                                       AS repeated_days,
        count(*) FILTER (recent)                                         AS recent_days,
        coalesce(sum(units_sold) FILTER (recent), 0)::BIGINT             AS recent_units,
        max(day) FILTER (units_sold > 0)                                 AS last_sale_day,
        max(turnover_rate) FILTER (day = $until::DATE)                   AS stored_turnover_rate,
        max(days_of_supply) FILTER (day = $until::DATE)                  AS stored_days_of_supply,
        bool_or(simulated) IS TRUE                                       AS simulated
    FROM ledger
    GROUP BY number
),
prices AS (
    SELECT
        sku,
        max(product_title)                                               AS product_title,
        max(category)                                                    AS category,
        coalesce(
            sum(revenue_with_discount + revenue_regular)
                / nullif(sum(units_sold_with_discount + units_sold_regular), 0),
            max(price)
        )                                                                AS unit_price
    FROM products
    WHERE shop = $shop
    GROUP BY sku
),
earned AS (
    SELECT
        sku,
        sum(revenue)::DOUBLE                                             AS revenue,
        coalesce(sum(discount_amount), 0)::DOUBLE                        AS discount_given
    FROM order_lines
    WHERE shop = $shop AND day BETWEEN $until::DATE - $days::INTEGER + 1 AND $until::DATE
    GROUP BY sku
),
costs AS (
    SELECT sku, arg_max(unit_cost, valid_from)::DOUBLE                   AS unit_cost
    FROM product_costs
    WHERE shop = $shop AND valid_from <= $until::DATE
    GROUP BY sku
),
final AS (
    SELECT
        $shop                                                            AS shop,
        sku,
        sums.* EXCLUDE (number),
        gaps.* EXCLUDE (number),
        prices.product_title,
        prices.category,
        coalesce(prices.product_title || ' (' || sku || ')', sku)          AS product,
        prices.unit_price,
        greatest(sums.ending_units, 0) * prices.unit_price                AS tied_up,
        coalesce(earned.revenue, sums.units_sold * prices.unit_price)     AS revenue,
        earned.discount_given,
        costs.unit_cost,
        greatest(sums.ending_units, 0) * costs.unit_cost                  AS tied_up_at_cost
    FROM sums
    JOIN gaps USING (number)
    JOIN skus USING (number)
    LEFT JOIN prices USING (sku)
    LEFT JOIN earned USING (sku)
    LEFT JOIN costs USING (sku)
)
SELECT * FROM final ORDER BY sku
