"""Migrated databases for tests. A test gets one that an earlier test has left, emptied, if it is as good as new.

Creating a database, and removing its 300 files in the end, costs 0.1 s of CPU.
"""

import itertools
import time
from collections import deque

import psycopg

_numbers = itertools.count(time.time_ns())

# The last transaction that changed a catalog, and the number of its rows, for each that a test might change.
_CATALOGS = "pg_attrdef pg_attribute pg_constraint pg_default_acl pg_index pg_proc pg_trigger pg_type"
_STATE = " UNION ALL ".join(
    f"SELECT '{name}', format('%s of %s', max(xmin::text::bigint), count(*)) FROM {name}" for name in _CATALOGS.split()
)
_STATE += """
    UNION ALL SELECT relname, format('%s %s %s %s %s', oid, relfilenode, relkind, relacl, reloptions) FROM pg_class
    UNION ALL SELECT nspname, nspacl::text FROM pg_namespace WHERE nspname !~ '^pg_(toast_)?temp_'
    UNION ALL SELECT 'settings', string_agg(setconfig::text, ',') FROM pg_db_role_setting AS s
        JOIN pg_database AS d ON d.oid = s.setdatabase WHERE d.datname = current_database()
    UNION ALL SELECT 'rights', datacl::text FROM pg_database WHERE datname = current_database()
    UNION ALL SELECT 'statistics', count(*)::text FROM pg_statistic AS s
        JOIN pg_class AS c ON c.oid = s.starelid WHERE c.relnamespace = 'hostaway'::regnamespace
    UNION ALL SELECT 'revision', version_num FROM hostaway.alembic_version"""
_FILLED = """
    SELECT oid::regclass::text, pg_relation_size(oid) FROM pg_class
    WHERE relnamespace = 'hostaway'::regnamespace AND relkind = 'r' AND relname <> 'alembic_version'
    AND pg_relation_size(oid) > 0"""
_LARGE = 1 << 20  # bytes; emptied tables keep their size
_SEQUENCES = "SELECT setval(seqrelid::regclass, seqstart, false) FROM pg_sequence"
_OTHERS = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"


class Databases:
    """Copies of one template, created from the database at `admin_url`.

    `waiting`: a database is handed on after so many others, by when the processes of its last test have ended.
    """

    def __init__(self, admin_url: str, template_url: str, waiting: int = 3) -> None:
        self._admin_url, self._waiting = admin_url, waiting
        self._template = psycopg.conninfo.conninfo_to_dict(template_url)["dbname"]
        with psycopg.connect(template_url) as connection:
            self._new = sorted(connection.execute(_STATE.encode()).fetchall(), key=str)
            assert connection.execute(_FILLED.encode()).fetchall() == [], "the template must be empty"
        self._left: deque[str] = deque()

    def create(self) -> str:
        """Return the name of a new one."""
        name = f"test_{next(_numbers)}"
        with psycopg.connect(self._admin_url, autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{self._template}"'.encode())
        return name

    def take(self) -> str:
        """Return the name of an empty one."""
        while len(self._left) > self._waiting:
            name = self._left.popleft()
            if self._empty(name):
                return name
        return self.create()

    def leave(self, name: str) -> None:
        """Leave it to later tests."""
        self._left.append(name)

    def _empty(self, name: str) -> bool:
        """Empty it, and return whether it is as good as new: somebody may be connected, or has changed its tables."""
        try:
            with psycopg.connect(self._admin_url, dbname=name, autocommit=True) as connection:
                if connection.execute(_OTHERS.encode()).fetchone() != (0,):
                    return False
                if sorted(connection.execute(_STATE.encode()).fetchall(), key=str) != self._new:
                    return False
                filled = connection.execute(_FILLED.encode()).fetchall()
                if sum(size for _, size in filled) > _LARGE:
                    return False
                connection.execute(b"SET session_replication_role = replica")  # in any order
                for table, _ in filled:
                    connection.execute(f"DELETE FROM {table}".encode())
                connection.execute(_SEQUENCES.encode())
                connection.execute(b"SELECT pg_stat_reset()")
        except psycopg.Error:  # it was dropped, for example
            return False
        return True
