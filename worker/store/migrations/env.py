"""Alembic's entry: only ever run through `worker.store.migrate`, which hands over an open connection."""

import sqlmodel  # noqa: F401 - revisions name its types
from alembic import context

import worker.store.models  # noqa: F401 - fills the metadata

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=sqlmodel.SQLModel.metadata,
    render_as_batch=connection.dialect.name == "sqlite",
    compare_type=True,
)
with context.begin_transaction():
    context.run_migrations()
