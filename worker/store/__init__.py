"""The database: every SQL statement of the product is here."""
