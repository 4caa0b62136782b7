"""Copies a table of the analyst layer out of Postgres as CSV, a part of it by account and by date.

What becomes of the text: frames.py. Nothing here writes.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

from psycopg import sql
from psycopg.abc import Buffer

from hostaway_pipeline.errors import ModelsMissing
from hostaway_pipeline.store.database import Database, driver, query

NULL = r"\N"
"""What stands for null: an empty text is a value of its own."""
_BOOKKEEPING = "version"  # by which dbt recognises a row that is due; it means nothing to an analyst


class Column(NamedTuple):
    """`type` is Postgres' name of it, such as `bigint`."""

    name: str
    type: str
    is_never_null: bool


@dataclass(frozen=True)
class Model:
    """A table, and its column to which a range of dates applies."""

    schema: str
    name: str
    dated_by: str


@dataclass(frozen=True)
class Part:
    """Which rows: of one account, dated from `first` to `last`, both included; None does not restrict."""

    account_id: int | None = None
    first: date | None = None
    last: date | None = None

    def condition(self, dated_by: str) -> sql.Composable:
        on = sql.Identifier(dated_by)
        tests = [
            sql.SQL("{} {} {}").format(column, sql.SQL(operator), sql.Literal(value))
            for column, operator, value in (
                (sql.Identifier("account_id"), "=", self.account_id),
                (on, ">=", self.first),
                (on, "<=", self.last),
            )
            if value is not None
        ]
        return sql.SQL(" AND ").join(tests) if tests else sql.SQL("true")


@contextmanager
def copied(database: Database, model: Model, part: Part) -> Iterator[tuple[list[Column], Iterator[Buffer]]]:
    """Give the columns, and the rows as CSV without a header, as they arrive; times are in UTC.

    Raises ModelsMissing when the table has not been built, and DatabaseUnavailable.
    """
    with database.transaction() as connection:
        cursor = driver(connection).cursor()
        cursor.execute("SET TRANSACTION READ ONLY")
        cursor.execute("SET LOCAL TIME ZONE 'UTC'")
        cursor.execute("SET LOCAL datestyle TO ISO")
        cursor.execute(query("columns_of"), {"table": f"{model.schema}.{model.name}"})
        columns = [column for row in cursor if (column := Column(*row)).name != _BOOKKEEPING]
        if not columns:
            raise ModelsMissing(f"{model.schema}.{model.name} does not exist yet: run `hostaway marts build`")
        # COPY takes no bound values: these are quoted by psycopg, and none is text from outside.
        statement = sql.SQL("COPY (SELECT {} FROM {} WHERE {}) TO STDOUT (FORMAT csv, NULL {})").format(
            sql.SQL(", ").join(sql.Identifier(column.name) for column in columns),
            sql.Identifier(model.schema, model.name),
            part.condition(model.dated_by),
            sql.Literal(NULL),
        )
        with cursor.copy(statement) as copy:
            yield columns, iter(copy)
