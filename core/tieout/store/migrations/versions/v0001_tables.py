"""All tables, and the triggers that make facts append-only."""

from __future__ import annotations

from alembic import op

from tieout.store import dialect
from tieout.store.schema import APPEND_ONLY, metadata

revision = "0001"
down_revision = None


def upgrade() -> None:
    connection = op.get_bind()
    metadata.create_all(connection)
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(dialect.POSTGRES_FUNCTION)
    for table in APPEND_ONLY:
        for statement in dialect.append_only_ddl(connection.dialect.name, table):
            connection.exec_driver_sql(
                statement.replace("%", "%%") if connection.dialect.name != "sqlite" else statement
            )
