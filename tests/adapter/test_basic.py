"""dbt's basic suites, and those of caches, concurrency and names."""

from adapter.suites import subclass
from dbt.tests.adapter.aliases.test_aliases import BaseAliases
from dbt.tests.adapter.basic.test_adapter_methods import BaseAdapterMethod
from dbt.tests.adapter.basic.test_base import BaseSimpleMaterializations
from dbt.tests.adapter.basic.test_docs_generate import BaseDocsGenerate, BaseDocsGenReferences
from dbt.tests.adapter.basic.test_empty import BaseEmpty
from dbt.tests.adapter.basic.test_ephemeral import BaseEphemeral
from dbt.tests.adapter.basic.test_generic_tests import BaseGenericTests
from dbt.tests.adapter.basic.test_incremental import (
    BaseIncremental,
    BaseIncrementalBadStrategy,
    BaseIncrementalNotSchemaChange,
)
from dbt.tests.adapter.basic.test_singular_tests import BaseSingularTests
from dbt.tests.adapter.basic.test_singular_tests_ephemeral import BaseSingularTestsEphemeral
from dbt.tests.adapter.basic.test_snapshot_check_cols import BaseSnapshotCheckCols
from dbt.tests.adapter.basic.test_snapshot_timestamp import BaseSnapshotTimestamp
from dbt.tests.adapter.basic.test_table_materialization import BaseTableMaterialization
from dbt.tests.adapter.basic.test_validate_connection import BaseValidateConnection
from dbt.tests.adapter.caching.test_caching import BaseCachingUppercaseModel
from dbt.tests.adapter.concurrency.test_concurrency import BaseConcurrency
from dbt.tests.adapter.relations.test_changing_relation_type import BaseChangeRelationTypeValidator

# Left out: BaseGetCatalogForSingleRelation, which dbt-postgres does not implement.
subclass(
    globals(),
    BaseAdapterMethod,
    BaseAliases,
    BaseCachingUppercaseModel,
    BaseChangeRelationTypeValidator,
    BaseConcurrency,
    BaseDocsGenReferences,
    BaseDocsGenerate,
    BaseEmpty,
    BaseEphemeral,
    BaseGenericTests,
    BaseIncremental,
    BaseIncrementalBadStrategy,
    BaseIncrementalNotSchemaChange,
    BaseSimpleMaterializations,
    BaseSingularTests,
    BaseSingularTestsEphemeral,
    BaseSnapshotCheckCols,
    BaseSnapshotTimestamp,
    BaseTableMaterialization,
    BaseValidateConnection,
)
