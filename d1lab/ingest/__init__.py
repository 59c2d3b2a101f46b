"""Ways in: order and discount events, and the demo shop."""
