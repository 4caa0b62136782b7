"""Measurements. Each module runs alone (`python -m bench.full_sync`); `python -m bench` runs all."""
