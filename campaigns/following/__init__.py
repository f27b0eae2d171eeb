"""What receipts and phones say of a text that was accepted, and when they are asked."""
