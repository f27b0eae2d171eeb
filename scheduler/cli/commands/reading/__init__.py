"""How far campaigns are, and what became of everybody."""
