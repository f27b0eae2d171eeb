"""What is concluded from receipts."""
