"""Pure rules about Hostaway's objects; nothing here reads a clock, the network or the database."""
