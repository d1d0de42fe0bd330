"""Relations whose materialized views also have indexes on vectors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from dbt.adapters.pgvector.index_config import PgvectorIndexConfig
from dbt.adapters.postgres import PostgresRelation
from dbt.adapters.postgres.relation_configs import PostgresMaterializedViewConfigChangeCollection
from dbt.adapters.relation_configs import RelationConfigChangeAction


@dataclass(frozen=True)
class IndexChange:
    """Drop the index of this name, or create the one of this entry of ``indexes:``."""

    action: RelationConfigChangeAction
    context: Any
    requires_full_refresh = False


@dataclass(frozen=True, eq=False, repr=False)
class PgvectorRelation(PostgresRelation):
    def get_materialized_view_config_change_collection(
        self, relation_results: Any, relation_config: Any
    ) -> PostgresMaterializedViewConfigChangeCollection | None:
        """What ``indexes:`` asks for and the materialized view does not have, and the reverse."""
        listed = relation_config.config.get("indexes") or []
        wanted = [(raw, index) for raw in listed if (index := PgvectorIndexConfig.parse(raw))]
        found = list(relation_results["indexes"].rows)
        drop = [row["name"] for row in found if not any(index.describes(row) for _, index in wanted)]
        create = [raw for raw, index in wanted if not any(index.describes(row) for row in found)]
        action = RelationConfigChangeAction
        # The order matters where an index of the same name has changed.
        changes = [IndexChange(action.drop, name) for name in drop]
        changes += [IndexChange(action.create, raw) for raw in create]
        return PostgresMaterializedViewConfigChangeCollection(changes) if changes else None
