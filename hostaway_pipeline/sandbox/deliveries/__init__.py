"""The sandbox's webhooks: registration, and delivery of events."""
