"""The `hostaway` command. One module per group of commands; what they do is in `sync`, `store` and `wiring`."""

from hostaway_pipeline.cli.main import main

__all__ = ["main"]
