"""What is sent next while runs send, and when they slow down, wait or pause."""
