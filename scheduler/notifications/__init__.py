"""Telling people and programs outside what happens: webhooks, e-mail, a command."""
