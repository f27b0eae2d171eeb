"""Steps: what a plan knows of them before, and when each person's turn has come."""
