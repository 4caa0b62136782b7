"""Remembers when the databases were backed up, so that somebody notices when they no longer are."""

from datetime import datetime, timedelta

from sqlalchemy import func, insert, select

from hostaway_pipeline.store.database import Database
from hostaway_pipeline.store.schema import backups


def record_backup(database: Database, began_at: datetime, size: int) -> None:
    """`began_at`: the state that was backed up. `size` in bytes."""
    with database.transaction() as connection:
        connection.execute(insert(backups).values(began_at=began_at, bytes=size))


def backup_age(database: Database) -> timedelta | None:
    """Of the newest backup by `hostaway db backup`; None without one."""
    with database.transaction() as connection:
        row = connection.execute(select(func.now(), func.max(backups.c.began_at))).one()
    now, newest = row[0], row[1]
    return None if newest is None else now - newest
