"""What a campaign would do: a plan made, counted and thrown away."""
