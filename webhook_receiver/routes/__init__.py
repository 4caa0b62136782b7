"""Routes, one module per subject: each authenticates, calls one use case, and answers."""
