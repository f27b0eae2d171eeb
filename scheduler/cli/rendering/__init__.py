"""What commands print: JSON for programs, sentences and tables for people."""
