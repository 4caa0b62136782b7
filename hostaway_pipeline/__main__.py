"""`python -m hostaway_pipeline` is the `hostaway` command."""

from hostaway_pipeline.cli import main

main()
