"""Benchmarks. `python -m bench` runs all of them, `python -m bench.full_sync` runs one."""
