"""The Hostaway API over HTTP: authentication, retries, paging. Knows no database; see ports.py for what it needs."""
