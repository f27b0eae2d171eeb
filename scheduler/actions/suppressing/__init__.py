"""The suppression list: entries made by hand, from tables, and from replies that a person has read."""
