"""The look-alike's rules: limits, tokens, faults that tests switch on, and counters of what was seen."""
