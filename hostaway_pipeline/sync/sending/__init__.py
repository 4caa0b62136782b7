"""Sends messages to guests, each at most once."""
