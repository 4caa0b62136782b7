"""Dagster definitions, one concept per file. Each asset, check and sensor makes one call into `sync` or `store`."""
