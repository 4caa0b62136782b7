"""Reads and writes the copy of Hostaway: listings, reservations, conversations and messages."""
