-- recommendation_outcomes: earlier recommendations whose horizon has passed, with the sales since
-- unit: units, money, ratio      grain: shop, sku, made_on      reads: discount_recommendations, order_lines
-- $until: last day included
-- chance: Probability of a gain, percent
-- slope: Price elasticity
-- break_even_margin: Break-even margin, percent
-- days_of_supply: Days of supply
-- expected_units: Expected units
-- expected_profit: Expected profit, money
-- gain: Profit gain, money
-- gain_low: Low (90%), money
-- gain_high: High (90%), money
-- plan_orders: Orders needed, integer
-- plan_days: Test duration (days), integer
-- forecast_units: Forecast, next 28 days [units]
-- assert: unique shop, sku, made_on
-- assert: chance BETWEEN 0 AND 1
-- assert: scored_on <= $until::DATE
WITH made AS (
    SELECT * EXCLUDE (observed_depth, observed_units, observed_profit)
    FROM discount_recommendations
    WHERE shop = $shop AND made_on + horizon_days::INTEGER <= $until::DATE
),
sold AS (
    SELECT
        made.sku,
        made.made_on,
        sum(lines.units)::BIGINT                                    AS units,
        sum(lines.revenue)::DOUBLE                                  AS revenue,
        sum(lines.discount_amount)::DOUBLE                          AS savings
    FROM made
    JOIN order_lines AS lines
        ON lines.shop = $shop AND lines.sku = made.sku AND lines.type = 'order'
        AND lines.day > made.made_on AND lines.day <= made.made_on + made.horizon_days::INTEGER
    GROUP BY made.sku, made.made_on
),
final AS (
    SELECT
        made.*,
        coalesce(units, 0)::BIGINT                                  AS observed_units,
        savings / nullif(savings + revenue, 0)                      AS observed_depth,
        coalesce(revenue, 0) - coalesce(units, 0) * unit_cost::DOUBLE  AS observed_profit
    FROM made
    LEFT JOIN sold USING (sku, made_on)
)
SELECT * FROM final ORDER BY made_on, sku
