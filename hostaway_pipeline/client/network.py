"""The way from this machine to Hostaway: a proxy and certificates, by the variables that HTTP clients share.

HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY; REQUESTS_CA_BUNDLE, CURL_CA_BUNDLE and SSL_CERT_FILE. They are not
ours, so they are read here and not in settings.py.
"""

import os
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from requests.utils import get_environ_proxies

from hostaway_pipeline.errors import ConfigurationError

_CERTIFICATES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")
_LOOPBACK = {"127.0.0.1", "localhost", "::1"}


@dataclass(frozen=True, slots=True)
class Network:
    """`proxies`: by scheme; their URLs may hold a password. `certificates`: a file or folder; None: the usual ones."""

    proxies: dict[str, str] = field(default_factory=dict, repr=False)
    certificates: str | None = None


def network_to(url: str) -> Network:
    """How this URL is reached; a server on this machine without a proxy. Raises ConfigurationError."""
    parts = urlsplit(url)
    proxies = {} if parts.hostname in _LOOPBACK else get_environ_proxies(url)
    return Network(proxies, _certificates() if parts.scheme == "https" else None)


def _certificates() -> str | None:
    for name in _CERTIFICATES:
        if path := os.environ.get(name):
            if not Path(path).exists():
                raise ConfigurationError(f"{name} names {path}, which does not exist")
            return path
    return None
