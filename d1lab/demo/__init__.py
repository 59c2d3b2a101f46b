"""Demo shops: purchases from a public data set, with simulated stock, tests, prices, and costs."""
