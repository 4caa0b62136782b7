"""A message to a guest, sent at most once."""
