"""What objects for programs look like, and what of them is shown to whom."""
