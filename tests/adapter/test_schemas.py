"""dbt's suites of what reads columns: contracts, schema changes, column types, unit tests, --empty."""

from __future__ import annotations

import pytest
from adapter.suites import subclass
from dbt.tests.adapter.column_types.test_column_types import BasePostgresColumnTypes
from dbt.tests.adapter.constraints.test_constraints import (
    BaseConstraintQuotedColumn,
    BaseConstraintsRuntimeDdlEnforcement,
    BaseIncrementalConstraintsRollback,
    BaseIncrementalContractSqlHeader,
    BaseModelConstraintsRuntimeEnforcement,
)
from dbt.tests.adapter.empty.test_empty import MetadataWithEmptyFlag
from dbt.tests.adapter.incremental.test_incremental_on_schema_change import BaseIncrementalOnSchemaChange
from dbt.tests.adapter.unit_testing.test_types import BaseUnitTestingTypes

# Left out for their time, but they passed: BaseConstraintsColumnsEqual (tables, views, incremental models),
# BaseIncrementalUniqueKey, BaseMergeExcludeColumns, BaseMicrobatch,
# BaseUnitTestQuotedReservedWordColumnNames.
subclass(
    globals(),
    BaseConstraintQuotedColumn,
    BaseConstraintsRuntimeDdlEnforcement,
    BaseIncrementalConstraintsRollback,
    BaseIncrementalContractSqlHeader,
    BaseModelConstraintsRuntimeEnforcement,
    BasePostgresColumnTypes,
)


class TestIncrementalOnSchemaChange(BaseIncrementalOnSchemaChange):
    test_run_incremental_ignore = None
    test_run_incremental_append_new_columns = None


class TestEmptyFlag(MetadataWithEmptyFlag):
    # A table cannot be altered through the `where false limit 0` of --empty, on dbt-postgres either.
    @pytest.mark.parametrize("model", ["get_columns_in_relation", "alter_relation_comment"])
    def test_run(self, project, model):
        super().test_run(project, model)


class TestUnitTestingTypes(BaseUnitTestingTypes):
    @pytest.fixture
    def data_types(self):
        return [
            ["cast('a' as varchar(3))", "a"],
            ["cast('[1,2]' as vector(2))", "'[1,2]'"],
            ["ARRAY['a','b']", "'{a,b}'"],
        ]
