"""Alembic's entry: only ever run through `worker.store.migrate`, which hands over an open connection."""

from alembic import context

from worker.store.models import Account

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=Account.metadata,
    render_as_batch=connection.dialect.name == "sqlite",
    compare_type=True,
)
with context.begin_transaction():
    context.run_migrations()
