"""dbt's suites of hooks, grants, docs, tests, seeds and single commands."""

from __future__ import annotations

from typing import Any

from adapter.suites import subclass
from dbt.tests.adapter.dbt_debug.test_dbt_debug import BaseDebugPostgres
from dbt.tests.adapter.dbt_show.test_dbt_show import BaseShowSqlHeader
from dbt.tests.adapter.grants.test_invalid_grants import BaseInvalidGrants
from dbt.tests.adapter.grants.test_model_grants import BaseModelGrants
from dbt.tests.adapter.hooks.test_model_hooks import BasePrePostModelHooks
from dbt.tests.adapter.hooks.test_run_hooks import BasePrePostRunHooks
from dbt.tests.adapter.materialized_view.basic import MaterializedViewBasic
from dbt.tests.adapter.persist_docs.test_persist_docs import BasePersistDocs
from dbt.tests.adapter.query_comment.test_query_comment import BaseQueryComments
from dbt.tests.adapter.simple_seed.test_seed_type_override import BaseSimpleSeedColumnOverride
from dbt.tests.adapter.store_test_failures_tests.basic import StoreTestFailuresAsInteractions

# Left out because they expect the name of dbt's own test file: the suites of ephemeral models on each other.
# Left out for their time, but they passed: BaseCloneNotPossible, BaseHookRefs, BaseIncrementalGrants,
# BasePersistDocsCommentOnQuotedColumn, BaseSafeCast, BaseSnapshotCheck.
subclass(
    globals(),
    BaseDebugPostgres,
    BaseInvalidGrants,
    BaseModelGrants,
    BasePersistDocs,
    BaseQueryComments,
    BaseShowSqlHeader,
    BaseSimpleSeedColumnOverride,
    StoreTestFailuresAsInteractions,
)


class Named:
    """The hooks of dbt's suites expect the user and type of dbt-postgres' own tests."""

    def get_ctx_vars(self, *arguments: Any, **options: Any) -> Any:
        found = super().get_ctx_vars(*arguments, **options)  # type: ignore[misc]
        for row in found if isinstance(found, list) else [found]:
            assert (row["target_type"], row["target_user"]) == ("pgvector", "postgres")
            row.update(target_type="postgres", target_user="root", target_pass="")
        return found


class TestModelHooks(Named, BasePrePostModelHooks):
    pass


class TestRunHooks(Named, BasePrePostRunHooks):
    pass


class TestMaterializedViews(MaterializedViewBasic):
    # What replaces what; the rest is in test_indexes.py.
    test_materialized_view_create = None
    test_materialized_view_create_idempotent = None
    test_materialized_view_full_refresh = None
    test_materialized_view_replaces_table = None
    test_materialized_view_replaces_view = None
    test_view_replaces_materialized_view = None
    test_materialized_view_only_updates_after_refresh = None

    @staticmethod
    def query_relation_type(project: Any, relation: Any) -> str | None:
        row = project.run_sql(
            "select case relkind when 'r' then 'table' when 'm' then 'materialized_view' end "
            f"from pg_class where oid = to_regclass('{relation.schema}.{relation.identifier}')",
            fetch="one",
        )
        return row[0] if row else None
