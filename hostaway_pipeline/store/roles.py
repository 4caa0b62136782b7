"""The roles of analysts: `analyst_read` holds their privileges, the user `analyst` is its member.

Roles belong to the whole server, and managed servers refuse to create them, so no migration does this.
"""

from psycopg import sql

from hostaway_pipeline.store.database import Database, driver, query

ANALYST = "analyst"
_PLAIN = "LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS"


def allow_analyst(database: Database, password: str) -> None:
    """Create or repair both roles and set the user's password. The database's user must be a superuser.

    Repeatable, also by several processes on several databases of the server at once.
    """
    with database.transaction() as connection:
        below = driver(connection)
        cursor = below.cursor()
        # Shared by all databases: without it, two that alter the same role fail with "tuple concurrently updated".
        cursor.execute("LOCK TABLE pg_catalog.pg_authid IN SHARE ROW EXCLUSIVE MODE")
        cursor.execute(query("analyst_roles"))
        cursor.execute(query("close_to_public"))
        # A SCRAM verifier: the password itself must not reach the server's log or pg_stat_activity.
        verifier = below.pgconn.encrypt_password(password.encode(), ANALYST.encode(), b"scram-sha-256").decode()
        statement = sql.SQL("ALTER ROLE {} {} PASSWORD {}")
        cursor.execute(statement.format(sql.Identifier(ANALYST), sql.SQL(_PLAIN), sql.Literal(verifier)))


def analyst_statements() -> str:
    """The statements that create both roles, without a password, for an administrator of another server."""
    return query("analyst_roles")
