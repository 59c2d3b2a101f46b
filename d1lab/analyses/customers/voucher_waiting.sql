-- voucher_waiting: customers of voucher tests that are not over, who should get no other offer
-- unit: customers      grain: shop, customer_id      reads: voucher_tests, voucher_customers
-- $until: last day included
-- assert: unique shop, customer_id
SELECT DISTINCT shop, customer_id
FROM voucher_customers
INNER JOIN voucher_tests USING (shop, voucher)
WHERE shop = $shop AND sent_on + window_days::INTEGER - 1 > $until::DATE
ORDER BY customer_id
