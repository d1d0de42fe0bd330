"""Python jobs inside dbt, and a profile with ``autocommit: true``."""

from __future__ import annotations

from typing import Any

import psycopg2
import pytest
from databases import create_database, execute
from dbt.tests.util import run_dbt, run_dbt_and_capture
from samespace.io.postgres_jobs import JOBS

MATERIALIZATION = """
{% materialization worked, adapter='pgvector', supported_languages=['sql'] %}
    {%- set target = this.incorporate(type='table') -%}
    {% call statement('before') %} select 1 {% endcall %}
    {% do adapter.commit() %}
    {% call statement('job', language='python') %}
        {{ tojson({'job': config.get('job'), 'request': 'a request'}) }}
    {% endcall %}
    {% call statement('main') %}
        drop table if exists {{ target }};
        create table {{ target }} as
        select made, {{ dbt.string_literal(compiled_code | trim) }} as code from __made
    {% endcall %}
    {{ run_hooks(post_hooks, inside_transaction=True) }}
    {% do adapter.commit() %}
    {{ return({'relations': [target]}) }}
{% endmaterialization %}
"""
ANSWER = "select '{{ adapter.samespace_job('say', 'hello')['said'] if execute }}' as said"


def make(connection: Any, request: str) -> dict[str, Any]:
    """What a job does: its own transactions on dbt's session, after which none is open."""
    handle, before = connection.handle, connection.handle.autocommit
    handle.rollback()
    handle.autocommit = True
    handle.cursor().execute("create temporary table __made as select %s::text as made", [request])
    handle.autocommit = before
    return {"error": None}


def lose(connection: Any, request: str) -> dict[str, Any]:
    """The session ends, and the job goes on in another."""
    with pytest.raises(psycopg2.OperationalError):
        connection.handle.cursor().execute("select pg_terminate_backend(pg_backend_pid())")
    connection.reconnect()
    return make(connection, request)


def fail(connection: Any, request: str) -> dict[str, Any]:
    connection.handle.cursor().execute("select 1 / 0")
    return {}


PROBES = {
    "make": make, "lose": lose, "fail": fail,
    "refuse": lambda *_: {"error": "samespace: orders: no vectors for you."},
    "say": lambda connection, request: {"said": f"{request} {connection.stopped.is_set()}"},
}  # fmt: skip


class JobSuite:
    @pytest.fixture(scope="class", autouse=True)
    def probes(self):
        with pytest.MonkeyPatch.context() as patch:
            for name, job in PROBES.items():
                patch.setitem(JOBS, name, job)
            yield

    @pytest.fixture(scope="class")
    def macros(self):
        return {"worked.sql": MATERIALIZATION}

    @pytest.fixture(scope="class")
    def seeds(self):
        return {"seeded.csv": "id,label\n1,a\n2,b\n"}

    @pytest.fixture(scope="class")
    def snapshots(self):
        return {
            "kept.sql": "{% snapshot kept %}{{ config(unique_key='id', strategy='check', check_cols='all',"
            " target_schema=schema) }} select * from {{ ref('seeded') }}{% endsnapshot %}"
        }

    @pytest.fixture(scope="class")
    def models(self):
        made = {
            f"{job}_job.sql": f"{{{{ config(materialized='worked', job='{job}') }}}} select 1"
            for job in ("make", "lose", "fail", "refuse")
        }
        return {
            **made,
            "said.sql": ANSWER,
            "plain.sql": "{{ config(materialized='table', indexes=[{'columns': ['id']}]) }}"
            " select * from {{ ref('seeded') }}",
            "more.sql": "{{ config(materialized='incremental', unique_key='id') }}"
            " select * from {{ ref('seeded') }}",
            "viewed.sql": "{{ config(materialized='view') }} select * from {{ ref('plain') }}",
        }

    def test_builds_and_jobs(self, project):
        for _ in range(2):
            results = run_dbt(["--warn-error", "build", "--exclude", "fail_job", "refuse_job"])
            assert {result.status for result in results} == {"success"}
        rows = project.run_sql(f"select * from {project.test_schema}.lose_job", fetch="all")
        assert rows == [("a request", "select 1")]
        assert project.run_sql(f"select * from {project.test_schema}.said", fetch="one") == ("hello False",)

    def test_errors_of_jobs_are_sentences(self, project):
        results, log = run_dbt_and_capture(["run", "--select", "fail_job", "refuse_job"], expect_pass=False)
        said = {result.node.name: result.message for result in results}
        assert said["refuse_job"].endswith("samespace: orders: no vectors for you.")
        assert "division by zero" in said["fail_job"]
        assert "Traceback" not in log


class TestJobs(JobSuite):
    pass


class TestAutocommit(JobSuite):
    @pytest.fixture(scope="class")
    def dbt_profile_target(self, adapter_database):
        return {**adapter_database, "autocommit": True}


class TestDebug:
    """dbt debug says what is missing."""

    @pytest.fixture(scope="class")
    def dbt_profile_target(self, adapter_database):
        other = create_database("debug")
        execute(other, "create role only_reads login")
        self.__class__.other = {**other, "user": "only_reads"}
        return dict(adapter_database)

    @pytest.fixture(scope="class")
    def profiles_config_update(self, dbt_profile_target, unique_schema):
        outputs = {
            "default": {**dbt_profile_target, "schema": unique_schema},
            "stranger": {**self.__class__.other, "schema": unique_schema},
        }
        return {"test": {"target": "default", "outputs": outputs}}

    def test_ready(self, project):
        _, log = run_dbt_and_capture(["debug"])
        assert "All checks passed!" in log

    def test_not_ready(self, project):
        _, log = run_dbt_and_capture(["debug", "--target", "stranger"], expect_pass=False)
        assert "does not have the extension vector" in log
        assert "create extension vector;" in log


