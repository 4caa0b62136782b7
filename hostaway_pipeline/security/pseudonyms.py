"""Keyed hashes of the identities of erased guests: they recognise a guest and reveal none.

The keys are derived from the keyring, so that neither the database nor a backup of it has them: without one, who holds
the hashes could try all telephone numbers.
"""

from hashlib import blake2b

from hostaway_pipeline.domain.guests import Identifier
from hostaway_pipeline.security.keyring import Keyring

_PURPOSE = "erased guests"
_SIZE = 16


class Pseudonyms:
    """Hashes by one key: `key_id` names the key of the keyring. Raises KeyringError when that is missing."""

    def __init__(self, keyring: Keyring, key_id: str | None = None) -> None:
        self.key_id = key_id or keyring.active_id
        self._key = keyring.derive(self.key_id, _PURPOSE)

    def of(self, account_id: int, identity: Identifier) -> bytes:
        """16 bytes. The same guest has other hashes in other accounts."""
        text = f"{account_id}|{identity.kind}|{identity.value}"
        return blake2b(text.encode(errors="surrogatepass"), key=self._key, digest_size=_SIZE).digest()
