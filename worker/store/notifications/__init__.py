"""What is told outside, and what of it is forgotten."""
