-- 'simulated' where a unit cost is no real one; reports then say so.
ALTER TABLE product_costs ADD COLUMN source TEXT;
