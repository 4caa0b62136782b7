"""From the inbox to the tables: webhook events applied, and objects confirmed by id where an event is not enough."""
