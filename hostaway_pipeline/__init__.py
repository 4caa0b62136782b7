"""Keeps a complete, fresh copy of many Hostaway accounts in Postgres."""
