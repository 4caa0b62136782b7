"""The Hostaway API over HTTP: authentication, retries, paging. ports.py declares what it needs from the database."""
