"""One file per subject. A route finds out who asks, calls one use case, and answers."""
