"""One module for each promise: each looks at what is stored, and says what is wrong with whom."""
