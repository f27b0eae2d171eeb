"""One module for each view: a function that reads for its page, and those that act for its forms."""
