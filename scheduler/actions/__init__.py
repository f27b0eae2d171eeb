"""Everything that a person or a program can do, one function each, for the command line and all other doors."""
