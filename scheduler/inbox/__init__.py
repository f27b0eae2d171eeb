"""The folder that campaign files are dropped into, and the files that appear beside them."""
