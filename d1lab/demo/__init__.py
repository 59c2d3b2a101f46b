"""The demo shops: purchases of a public data set, and what is simulated around them."""
