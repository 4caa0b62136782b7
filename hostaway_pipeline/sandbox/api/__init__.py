"""The sandbox's HTTP API: routes, response bodies, and the gate that every request passes."""
