"""What receipts and phones say about an accepted text, and when to ask them."""
