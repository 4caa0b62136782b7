"""Use cases without Dagster: what happens, in which order, between Hostaway's API and the tables."""
