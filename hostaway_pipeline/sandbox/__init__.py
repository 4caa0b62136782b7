"""A fake Hostaway API over HTTP, for tests, the demo and benchmarks. Imports nothing else from this project."""

from hostaway_pipeline.sandbox.config import SandboxAccount, SandboxConfig, secret_for
from hostaway_pipeline.sandbox.server import SandboxServer, serve

__all__ = ["SandboxAccount", "SandboxConfig", "SandboxServer", "secret_for", "serve"]
