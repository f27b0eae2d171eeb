"""Notifications for people and programs: webhooks, e-mail, a command."""
