"""Alembic's entry: runs on the connection `Store.upgrade` hands over, inside its transaction."""

from __future__ import annotations

from alembic import context

from tieout.store.schema import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata, transactional_ddl=False)
context.run_migrations()
