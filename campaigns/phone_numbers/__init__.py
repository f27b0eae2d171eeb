"""Phone numbers: from what people write to E.164."""
