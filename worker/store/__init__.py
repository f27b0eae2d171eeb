"""The database: every SQL statement of the product lives here."""
