"""The receiver: takes Hostaway's deliveries into the inbox, and is the service's own API. Knows nothing of Dagster."""
