"""Ways in: order events and files, unit costs, competitors' prices, and the demo shop."""
