"""Pure rules about Hostaway's objects: no clock, no network, no database."""
