"""The keyring that encrypts secrets. store/accounts/secrets.py stores them; nothing here knows a database."""
