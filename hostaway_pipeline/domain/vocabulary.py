"""Closed sets of values, each defined once: modes, statuses, account states and channels.

events.py holds the names of events. The tables store these values as text.
"""

from typing import Literal

# full: every list and the messages of every conversation.
# reconcile: every list, the messages of conversations whose markers moved, and a daily share of the others.
# refresh: the reservations that changed last, the conversations that moved, and their messages; no deletions.
Mode = Literal["full", "reconcile", "refresh"]

# What an account is due for. full: on request only. listings, calendar: a reconcile of this list alone. trails: audit
# trails of reservations, in the background.
Cadence = Literal["full", "reconcile", "refresh", "listings", "calendar", "trails"]

# The status of one sync of one account. incomplete: it ended, but a list could not be trusted.
SyncStatus = Literal["running", "succeeded", "incomplete", "failed", "interrupted"]

# The status of a webhook event. stale: older than what is stored. ignored: it changes no table.
EventStatus = Literal["pending", "applied", "stale", "ignored", "failed"]

# paused: its circuit breaker is open. removed: its rows stay, nothing is synced.
AccountState = Literal["active", "paused", "removed"]

# How Hostaway delivers a message to the guest; `channel` is the inbox of the booking channel.
Channel = Literal["email", "channel", "sms", "whatsapp"]
