"""Reads the accounts of another program out of its table, where secrets may stand in clear; writes nothing there."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import psycopg
from psycopg import sql

from hostaway_pipeline.domain.values import as_bool, as_int, as_text
from hostaway_pipeline.errors import ConfigurationError, DatabaseUnavailable
from hostaway_pipeline.store.reasons import cause
from hostaway_pipeline.store.sessions import connection_limits
from hostaway_pipeline.store.urls import address, libpq_url, parse_url

# What we need, and under which names other programs have it, the likeliest first.
COLUMNS: Mapping[str, tuple[str, ...]] = {
    "account_id": ("account_id", "hostaway_account_id", "hostaway_id", "client_id", "id"),
    "secret": ("client_secret", "secret", "api_secret", "api_key", "hostaway_secret"),
    "name": ("name", "account_name", "display_name", "label"),
    "webhook_login": ("webhook_login", "webhook_username", "webhook_user"),
    "webhook_password": ("webhook_password", "webhook_pass"),
    "is_active": ("is_active", "active", "enabled", "is_enabled"),
}
_NEEDED = ("account_id", "secret")
_FOUND = "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped"


@dataclass(frozen=True, slots=True)
class ForeignAccount:
    """One row. `account_id` is None where the table's is no id."""

    account_id: int | None
    secret: str | None = field(repr=False)
    name: str | None = None
    webhook_login: str | None = field(default=None, repr=False)
    webhook_password: str | None = field(default=None, repr=False)
    is_active: bool = True


def read_accounts(url: str, table: str, columns: Mapping[str, str]) -> list[ForeignAccount]:
    """`columns`: their names for ours, where the usual ones do not fit.

    Raises ConfigurationError when the table or a column that is needed is missing, or DatabaseUnavailable.
    """
    parsed = parse_url(url).set(drivername="postgresql")
    name = sql.Identifier(*table.split("."))
    try:
        with psycopg.connect(libpq_url(parsed), **connection_limits(parsed)) as connection:
            connection.read_only = True
            present = {row[0] for row in connection.execute(_FOUND, [name.as_string()])}
            chosen = _choose(present, columns, table)
            shown = sql.SQL(", ").join(map(sql.Identifier, chosen.values()))
            rows = connection.execute(sql.SQL("SELECT {} FROM {}").format(shown, name)).fetchall()
    except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName):
        raise ConfigurationError(f"{address(parsed)} has no table {table}: --table names it") from None
    except psycopg.errors.InsufficientPrivilege:
        raise ConfigurationError(f"{address(parsed)}: this user may not read the table {table}") from None
    except psycopg.errors.ReadOnlySqlTransaction:
        raise ConfigurationError(f"{address(parsed)}: reading {table} would write there") from None
    except psycopg.OperationalError as error:
        raise DatabaseUnavailable(f"{address(parsed)}: {cause(error)}") from None
    return [_account(dict(zip(chosen, row, strict=True))) for row in rows]


def _choose(present: set[str], given: Mapping[str, str], table: str) -> dict[str, str]:
    """Their column for each of ours that they have."""
    unknown = [ours for ours in given if ours not in COLUMNS]
    if unknown:
        raise ConfigurationError(f"--column: {unknown[0]!r} is none of {', '.join(COLUMNS)}")
    chosen = {}
    for ours, usual in COLUMNS.items():
        names = (given[ours],) if ours in given else usual
        found = next((name for name in names if name in present), None)
        if found is not None:
            chosen[ours] = found
        elif ours in given or ours in _NEEDED:
            has = ", ".join(sorted(present))
            raise ConfigurationError(f"{table} has no column for {ours}, but {has}: --column {ours}=… names it")
    return chosen


def _account(row: Mapping[str, Any]) -> ForeignAccount:
    account_id = as_int(row["account_id"])
    texts = {key: as_text(row.get(key)) for key in ("secret", "name", "webhook_login", "webhook_password")}
    is_active = row.get("is_active")
    return ForeignAccount(
        account_id if account_id is not None and account_id > 0 else None,
        **{key: text.strip() or None if text is not None else None for key, text in texts.items()},
        is_active=is_active is None or as_bool(is_active) is not False,
    )
