"""Operations: missing schema, limits, interrupted pushes, and how to fix them."""
