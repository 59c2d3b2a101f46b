-- One row per voucher test and customer: the half and the stratum, and the customer's spend a year
-- when the test was assigned.
SELECT
    shop,
    voucher,
    customer_id,
    stratum,
    is_sent = 1         AS is_sent,
    pace
FROM raw.d1lab_voucher_customers
