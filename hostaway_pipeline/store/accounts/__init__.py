"""Stores accounts: their credentials, tokens and webhooks."""
