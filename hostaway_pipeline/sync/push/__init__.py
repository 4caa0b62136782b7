"""The push journey: applies webhook events to the tables, and confirms objects by id where an event is not enough."""
