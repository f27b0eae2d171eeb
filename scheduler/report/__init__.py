"""What happened, for people and for programs: figures, rows, words."""
