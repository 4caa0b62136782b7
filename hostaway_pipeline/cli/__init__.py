"""The `hostaway` command. One module per group of commands; the work itself is in `sync`, `store` and `wiring`."""

from hostaway_pipeline.cli.main import main

__all__ = ["main"]
