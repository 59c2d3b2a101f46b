-- Families of discount codes, each with an ending of its own, that count as one campaign.
-- fewest: the least characters that the * of the pattern stands for.
CREATE TABLE IF NOT EXISTS d1lab_campaigns (
  shop TEXT NOT NULL,
  pattern TEXT NOT NULL,
  campaign TEXT NOT NULL,
  fewest INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (shop, pattern)
);
