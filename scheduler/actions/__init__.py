"""Whatever a person or a program can do: one function each, which the command line and every other door calls."""
