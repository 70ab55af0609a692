"""How Alembic is run here: on the connection that `upgrade` hands over, inside its transaction."""

from alembic import context

from harness.shelf.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
