"""The guests that were erased."""

from sqlalchemy import Column, LargeBinary, Table, Text, func

from hostaway_pipeline.store.schema.base import Instant, account_id, metadata

suppressed_guests = Table(
    "suppressed_guests",
    metadata,
    account_id(primary_key=True),
    Column("hash", LargeBinary, primary_key=True, comment="Keyed hash of the identity"),
    Column("key_id", Text, nullable=False, comment="Of the encryption key that the hash's key is derived from"),
    Column("kind", Text, nullable=False, comment="channel, email, phone, reservation, conversation"),
    Column("created_at", Instant, nullable=False, server_default=func.now()),
    comment="Identities of erased guests: what names one of them is stored without the guest",
)
