"""The roles of analysts: analyst_roles.sql says who may read what. Users are their members.

Roles belong to the whole server, and managed servers refuse to create them, so no migration does this.
"""

from typing import Literal

import psycopg
from psycopg import errors as pg
from psycopg import sql

from hostaway_pipeline.errors import ConfigurationError
from hostaway_pipeline.store.database import Database, driver, query

ANALYST = "analyst"
AnalystRole = Literal["analyst_read", "analyst_pii", "analyst_raw"]
_PLAIN = "LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS"
_CREATE = """DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'analyst') THEN
        CREATE ROLE analyst LOGIN CONNECTION LIMIT 30;
    END IF;
END
$$;
"""


def allow_analyst(database: Database, password: str, role: AnalystRole = "analyst_read") -> None:
    """Create or repair the roles and the user `analyst`, and set its password. We must be a superuser.

    Repeatable, also by several processes on several databases of the server at once.
    """
    with database.transaction() as connection:
        below = driver(connection)
        cursor = below.cursor()
        _exclude_others(cursor)
        cursor.execute(analyst_statements(ANALYST, role))
        cursor.execute(query("close_to_public"))
        # A SCRAM verifier: the password itself must not reach the server's log or pg_stat_activity.
        verifier = below.pgconn.encrypt_password(password.encode(), ANALYST.encode(), b"scram-sha-256").decode()
        statement = sql.SQL("ALTER ROLE {} {} PASSWORD {}")
        cursor.execute(statement.format(sql.Identifier(ANALYST), sql.SQL(_PLAIN), sql.Literal(verifier)))


def grant_analysts(database: Database, user: str | None, role: AnalystRole) -> bool:
    """Create or repair the roles; make `user`, if given, a member of one. False: the server refuses that to us.

    Raises ConfigurationError when there is no such user.
    """
    with database.transaction() as connection:
        cursor = driver(connection).cursor()
        found = cursor.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user").fetchone()
        if found == (True,):
            _exclude_others(cursor)
        try:
            with driver(connection).transaction():
                cursor.execute(analyst_statements(user, role))
        except pg.InsufficientPrivilege:
            return False
        except pg.UndefinedObject:
            raise ConfigurationError(f"there is no user {user!r}: create it with a password first") from None
    return True


def analyst_statements(user: str | None, role: AnalystRole) -> str:
    """The statements that create the roles and make `user` a member, without a password, for an administrator too."""
    statements = query("analyst_roles")
    if user == ANALYST:
        statements += "\n" + _CREATE
    if user is not None:
        names = {"user": sql.Identifier(user), "role": sql.Identifier(role)}
        statements += "\n" + sql.SQL(query("analyst_user")).format(**names).as_string()
    return statements


def _exclude_others(cursor: psycopg.Cursor[tuple[object, ...]]) -> None:
    """Roles are shared by all databases: two that alter the same one fail with "tuple concurrently updated"."""
    cursor.execute("LOCK TABLE pg_catalog.pg_authid IN SHARE ROW EXCLUSIVE MODE")
