"""The text of a message: its template, its values, its segments."""
