"""Secrets at rest: the keyring. Where secrets are stored is store/secrets.py; nothing here knows a database."""
