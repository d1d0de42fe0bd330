"""The dbt of the tests is forked from one that has parsed ahead: it does what the script ``dbt`` does."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from typing import Any

import dbt_process
import pytest
from harness import DbtProject
from targets import DUCKDB

# What differs from one run to the next.
TIMES = {"created_at", "generated_at", "invocation_id", "invocation_started_at", "run_started_at", "user_id"}
OWN = """
{% macro own() %}{{ return(adapter.dispatch('own')()) }}{% endmacro %}
{% macro default__own() %}{% do exceptions.warn('own') %}{% endmacro %}
"""
MODELS = """
models:
  - name: notes
    columns:
      - name: id
        data_tests: [unique, not_null]
"""


@pytest.fixture(scope="module")
def project(make_project: Callable[..., DbtProject]) -> DbtProject:
    made = make_project("forked", on=DUCKDB)
    made.write("seeds/rows.csv", "id,body\n1,one text\n2,another text\n")
    made.write("macros/own.sql", OWN)
    made.write(
        "models/notes.sql",
        "{{ config(materialized='embedding', model='hash64', key='id', text='body') }}\n"
        "select * from {{ ref('rows') }}",
    )
    made.write("models/notes.yml", MODELS)
    made.write("models/found.sql", "select * from {{ samespace.knn(ref('notes'), k=1) }}")
    return made


def manifest(project: DbtProject, fresh: bool) -> Any:
    outcome = project.dbt("parse", "--no-partial-parse", fresh=fresh)
    assert outcome.ok, outcome.output
    return without_times(json.loads((project.root / "target" / "manifest.json").read_text()))


def without_times(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: without_times(inner) for key, inner in value.items() if key not in TIMES}
    return [without_times(inner) for inner in value] if isinstance(value, list) else value


def test_it_reads_a_project_as_the_script_does(project: DbtProject) -> None:
    forked, script = (manifest(project, fresh) for fresh in (False, True))
    assert forked == script
    assert {"model.scratch.notes", "seed.scratch.rows"} <= forked["nodes"].keys()


def test_a_changed_macro_is_read_again(project: DbtProject) -> None:
    before = manifest(project, fresh=False)["macros"]["macro.scratch.own"]
    project.write("macros/own.sql", "{% macro own() %}{{ samespace.same_space('a', 'b') }}{% endmacro %}")
    after = manifest(project, fresh=False)["macros"]["macro.scratch.own"]
    assert before["depends_on"] != after["depends_on"] == {"macros": ["macro.samespace.same_space"]}


def test_exit_codes_output_and_environment(project: DbtProject) -> None:
    asked = "{{ env_var('SAMESPACE_ASKED') }}"
    outcome = project.dbt("--quiet", "compile", "--inline", asked, env={"SAMESPACE_ASKED": "told"})
    assert (outcome.code, outcome.output.strip()) == (0, "told")
    outcome = project.dbt("--quiet", "compile", "--inline", asked)
    assert outcome.code == 2
    assert "Env var required but not provided" in outcome.output
    assert project.dbt("no-such-command").code == 2


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_it_is_a_process_that_can_be_stopped(project: DbtProject, number: signal.Signals) -> None:
    process = dbt_process.Dbt(["parse"], project.root, project.environment())
    assert process.poll() is None
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0)
    # Before dbt begins, Python's own start may swallow an interrupt.
    while "Running with dbt" not in process.printed():
        time.sleep(0.01)
    process.send_signal(number)
    ended = process.wait(60)
    assert ended == -9 if number == signal.SIGKILL else ended > 0, process.printed()
    assert process.poll() == ended
    with pytest.raises(ProcessLookupError):
        os.kill(process.pid, 0)


def test_a_call_that_takes_too_long_is_killed(project: DbtProject) -> None:
    began = time.monotonic()
    with pytest.raises(subprocess.TimeoutExpired):
        project.dbt("build", "--no-partial-parse", timeout=0)
    assert time.monotonic() - began < 60
