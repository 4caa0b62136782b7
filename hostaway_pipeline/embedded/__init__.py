"""The Postgres that runs by itself, for a single machine: the server, and the process that keeps it."""
