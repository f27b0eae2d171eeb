"""What texts cost: charges of single texts, and what was spent of each budget."""
