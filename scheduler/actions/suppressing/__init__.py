"""The numbers that get nothing: by hand, as tables, and from replies that a person read."""
