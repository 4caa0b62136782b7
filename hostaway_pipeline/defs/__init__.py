"""Dagster's view of the project, one concept per file. Thin: every asset, check and sensor calls one use case."""
