"""The receiver: stores Hostaway's deliveries in the inbox and serves our own API. Imports nothing of Dagster."""
