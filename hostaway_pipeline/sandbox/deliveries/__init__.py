"""The look-alike's webhooks: what is registered, and how events are delivered."""
