"""What the merge derives from payloads besides the entity tables: finance lines, guests, findings."""

from sqlalchemy import BigInteger, Boolean, Column, Integer, Numeric, Table, Text, Uuid, func

from hostaway_pipeline.store.schema.base import Instant, account_id, metadata

reservation_finance_lines = Table(
    "reservation_finance_lines",
    metadata,
    account_id(primary_key=True),
    Column("reservation_id", BigInteger, primary_key=True, autoincrement=False),
    Column("line_no", Integer, primary_key=True, autoincrement=False, comment="Position, from 1 on"),
    Column("source_id", BigInteger, comment="Hostaway's id of the line"),
    Column("name", Text, comment="Such as baseRate, cleaningFee, hostChannelFee"),
    Column("title", Text),
    Column(
        "type", Text, comment="accomodation, fee, tax, discount, commissions, totals, other; before 2024 also price"
    ),
    Column("total", Numeric),
    Column("is_included", Boolean, comment="Whether it is part of the reservation's total price"),
    Column("is_deleted", Boolean),
    comment="The lines that make up a reservation's price (`financeField`)",
)

guests = Table(
    "guests",
    metadata,
    account_id(primary_key=True),
    Column("kind", Text, primary_key=True, comment="channel, email, phone"),
    Column("identifier", Text, primary_key=True),
    Column("guest_id", Uuid, nullable=False, comment="Random: the same for all identifiers of one guest"),
    Column("created_at", Instant, nullable=False, server_default=func.now()),
    comment="Personal: by which identifiers a returning guest is recognised",
)

payload_findings = Table(
    "payload_findings",
    metadata,
    account_id(primary_key=True),
    Column("entity", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("finding", Text, primary_key=True, comment="unreadable, unknown"),
    Column("rows", BigInteger, nullable=False, comment="How often such a row was written"),
    Column("first_seen_at", Instant, nullable=False, server_default=func.now()),
    Column("last_seen_at", Instant, nullable=False, server_default=func.now()),
    comment="Keys whose value could not be read, or that Hostaway's documentation does not name",
)
