"""The embedded Postgres for a single machine: its server, what it needs of the host, and its key file."""
