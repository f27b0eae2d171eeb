"""Prices, what texts cost by them, and budgets of money."""
