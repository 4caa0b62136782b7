"""Postgres: tables, the merge, and everything that several processes must agree on. All SQL lives here."""
