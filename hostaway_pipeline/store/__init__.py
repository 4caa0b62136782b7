"""Postgres: the tables, the merge, and the state that processes share. All SQL is in this package."""
