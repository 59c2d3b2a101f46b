-- Families of discount codes with individual endings, each counted as one campaign.
-- fewest: the minimum number of characters that the * of the pattern matches.
CREATE TABLE IF NOT EXISTS d1lab_campaigns (
  shop TEXT NOT NULL,
  pattern TEXT NOT NULL,
  campaign TEXT NOT NULL,
  fewest INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (shop, pattern)
);
