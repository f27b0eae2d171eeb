"""Everything that is kept about a person: handed out, and erased."""
