"""The use cases, free of Dagster: each orders the calls between Hostaway's API and the tables."""
