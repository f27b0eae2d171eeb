"""What is reported outside, and how long it is kept."""
