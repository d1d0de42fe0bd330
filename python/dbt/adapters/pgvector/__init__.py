from dbt.adapters.base import AdapterPlugin
from dbt.adapters.pgvector.connections import PgvectorConnectionManager, PgvectorCredentials
from dbt.adapters.pgvector.impl import PgvectorAdapter
from dbt.include import pgvector

Plugin = AdapterPlugin(
    adapter=PgvectorAdapter,
    credentials=PgvectorCredentials,
    include_path=pgvector.PACKAGE_PATH,
    dependencies=["postgres"],
)

__all__ = ["PgvectorAdapter", "PgvectorConnectionManager", "PgvectorCredentials", "Plugin"]
