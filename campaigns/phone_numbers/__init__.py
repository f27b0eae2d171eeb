"""Phone numbers: what people write, as E.164."""
