"""The copy of Hostaway: everything that writes or reads listings, reservations, conversations and messages."""
