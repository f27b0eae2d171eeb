"""Everything that a person or a program can do, one function each. The command line and all other doors call these."""
