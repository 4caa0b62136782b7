"""Rules of the sandbox: rate limits, tokens, switchable faults, and counters of the requests."""
