"""The look-alike's HTTP: routes, pages, envelopes, and the gate that every request passes."""
