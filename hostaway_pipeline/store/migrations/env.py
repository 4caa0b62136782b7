"""Runs migrations on the connection that store/migrate.py passes in; there is no alembic.ini and no URL here."""

from alembic import context

from hostaway_pipeline.store.schema import SCHEMA, metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table_schema=SCHEMA,
    include_schemas=True,
)
with context.begin_transaction():
    context.run_migrations()
