"""What a campaign would do: a plan that is made, counted and thrown away."""
