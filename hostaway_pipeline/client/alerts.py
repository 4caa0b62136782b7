"""Posts an alert to a URL of the operator's, such as a chat's incoming webhook."""

from collections.abc import Mapping

import requests

from hostaway_pipeline.client.network import network_to
from hostaway_pipeline.errors import NetworkError

_SECONDS = (5.0, 10.0)


def post_alert(url: str, alert: Mapping[str, str]) -> None:
    """Raises NetworkError, which does not name the URL: it may hold a token."""
    network = network_to(url)
    with requests.Session() as session:
        session.trust_env = False
        try:
            answer = session.post(
                url,
                json=dict(alert),
                timeout=_SECONDS,
                allow_redirects=False,
                proxies=network.proxies,
                verify=network.certificates or True,
            )
        except requests.RequestException as error:
            raise NetworkError(f"no answer ({type(error).__name__})") from None
    if not 200 <= answer.status_code < 300:
        raise NetworkError(f"HTTP {answer.status_code}")
