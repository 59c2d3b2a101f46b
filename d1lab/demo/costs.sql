-- demo_costs: list price and group of the products with simulated unit costs
-- unit: money      grain: sku      reads: order_lines
-- $shop: the shop
-- $products: Parquet file of the data set's products
-- list_price is the mean per unit, so that products sold by weight are consistent. Products without
-- a grocery margin are excluded: fuel, gift and phone cards, coupons, and those without a group.
WITH sold AS (
    SELECT sku, (sum(units * list_price) / sum(units))::DOUBLE      AS list_price
    FROM order_lines
    WHERE shop = $shop AND type = 'order' AND units > 0
    GROUP BY sku
),
final AS (
    SELECT
        sku,
        product_category                                            AS category,
        list_price,
        (SELECT min(day) FROM order_lines WHERE shop = $shop)       AS first_day
    FROM sold JOIN read_parquet($products) ON product_id::VARCHAR = sku
    WHERE list_price > 0
        AND product_category NOT LIKE '%COUPON%'
        AND product_category NOT IN ('FUEL', 'PREPAID WIRELESS&ACCESSORIES')
)
SELECT * FROM final ORDER BY sku
