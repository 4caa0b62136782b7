"""The accounts that are synced, their encrypted secrets and the state of their webhook."""

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, Table, Text, Uuid, func

from hostaway_pipeline.store.schema.base import Instant, metadata

accounts = Table(
    "accounts",
    metadata,
    Column("account_id", BigInteger, primary_key=True, autoincrement=False),
    Column("customer_id", Uuid, nullable=False, server_default=func.gen_random_uuid()),
    Column("name", Text),
    Column("is_active", Boolean, nullable=False, server_default="true"),
    Column("client_secret", Text, comment="Encrypted"),
    Column("access_token", Text, comment="Encrypted"),
    Column("token_expires_at", Instant),
    Column("webhook_id", BigInteger, comment="Hostaway's id of our registration; null: not registered"),
    Column("webhook_login", Text),
    Column("webhook_password", Text, comment="Encrypted"),
    Column("webhook_previous_login", Text, comment="Accepted, too, while the password is being rotated"),
    Column("webhook_previous_password", Text, comment="Encrypted"),
    Column("webhook_previous_until", Instant, comment="From then on the previous password is refused"),
    Column("webhook_enabled", Boolean, comment="As Hostaway told at webhook_checked_at"),
    Column("webhook_checked_at", Instant, comment="When the registration was last looked at"),
    Column("webhook_log_id", BigInteger, comment="The newest past delivery that gap recovery has looked at"),
    Column("failures", Integer, nullable=False, server_default="0", comment="Failed syncs in a row"),
    Column("paused_until", Instant, comment="Circuit breaker: no sync by itself before then"),
    Column("last_sync_at", Instant, comment="Since when the whole copy is known to be complete"),
    Column("created_at", Instant, nullable=False, server_default=func.now()),
    Column("updated_at", Instant, nullable=False, server_default=func.now()),
    # Every delivery is authenticated by its login, and so is every guess.
    Index("accounts_webhook_login", "webhook_login", unique=True),
    Index("accounts_webhook_previous_login", "webhook_previous_login", unique=True),
)
