"""Closed sets of words, each in one place: what a mode, a status or a channel may be.

Event names and the entity of each are in events.py. The same words stand in the database's check constraints.
"""

from typing import Literal

# full: every list and the messages of every conversation.
# reconcile: every list, the messages of conversations whose markers moved, and a daily share of the others.
# refresh: the reservations that changed last, the conversations, and the messages of those that moved; no deletions.
Mode = Literal["full", "reconcile", "refresh"]

# How one sync of one account stands. incomplete: it ended, but a list could not be trusted.
SyncStatus = Literal["running", "succeeded", "incomplete", "failed", "interrupted"]

# How a webhook event stands. stale: older than what is stored. ignored: nothing follows from it.
EventStatus = Literal["pending", "applied", "stale", "ignored", "failed"]

# paused: its circuit breaker is open. removed: its rows stay, nothing is synced.
AccountState = Literal["active", "paused", "removed"]

# How Hostaway delivers a message to the guest; `channel` is the inbox of the booking channel.
Channel = Literal["email", "channel", "sms", "whatsapp"]
