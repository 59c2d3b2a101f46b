-- One row per voucher test: a discount code, and the day on which a random half of the overdue
-- customers got it. Purchases count from that day on, for `window_days`.
SELECT
    shop,
    voucher,
    discount_code,
    chosen_on,
    sent_on,
    window_days,
    seed
FROM raw.d1lab_voucher_tests
