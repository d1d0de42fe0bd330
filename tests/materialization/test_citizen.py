"""An embedding model takes every config a table model takes: hooks, grants, contracts, indexes and more."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from catalog import TEXT, by_age, columns, comments, constraints, indexes, vector_name
from citizen_project import MODELS, Story, tell
from harness import DbtProject, Outcome
from targets import Target


@pytest.fixture(scope="module")
def story(make_project: Callable[..., DbtProject], target: Target) -> Story:
    return tell(make_project, target)


def failed(outcome: Outcome) -> set[str]:
    return {
        r["unique_id"].split(".")[2] for r in outcome.results if r["status"] in ("error", "fail", "skipped")
    }


def test_each_run_fails_where_it_should_and_nowhere_else(story: Story) -> None:
    always = {"contract_wrong"}
    assert failed(story.runs[1]) == always, story.runs[1].output
    assert failed(story.runs[2]) == always | {"failing_hook", "change_fail"}, story.runs[2].output
    assert failed(story.runs[3]) == always | {"failing_hook", "contracted", "change_ignore", "change_fail"}
    assert failed(story.runs[4]) == always | {"change_fail"}, story.runs[4].output
    assert failed(story.runs[5]) == always | {"failing_hook", "contracted"}, story.runs[5].output
    lines = [line for run in story.runs.values() for line in run.output.splitlines()]
    assert [line for line in lines if "[WARNING]" in line or "deprecat" in line.lower()] == []


def test_the_first_build_makes_every_relation(story: Story) -> None:
    keys = {
        name: [row[-1] if name == "names" else row[0] for row in rows] for name, rows in story.rows[1].items()
    }
    for name in set(MODELS) - {"contract_wrong", "granted", "limited", "names"}:
        assert keys[name] == [1, 2, 3, 4, 5], name
    assert keys["limited"] == [1, 2, 3]
    assert story.message(1, "wide") == "EMBED 0 new, 3 cached, 1 null"
    assert (
        sum(int(r["message"].split()[1]) for r in story.runs[1].results if "EMBED" in (r["message"] or ""))
        == 4
    )


def test_four_hooks_run_in_order_and_see_what_they_should(story: Story) -> None:
    log = story.project.query("select hook, held from hook_log order by n")
    assert log[:4] == [("pre, outside", 0), ("pre, inside", 0), ("post, inside", 5), ("post, outside", 5)]
    assert log == log[:4] * 5


def test_a_failing_post_hook_rolls_the_merge_and_the_swap_back(story: Story) -> None:
    for step in (2, 3, 5):
        assert "boom" in story.message(step, "failing_hook")
    assert {row[-1] for row in story.rows[2]["failing_hook"]} == {1}
    assert len(story.rows[3]["failing_hook"]) == 5
    assert {row[-1] for row in story.rows[4]["failing_hook"]} == {4}
    assert story.rows[5]["failing_hook"] == story.rows[4]["failing_hook"]
    runs = "select count(*) from samespace.embedding_runs where relation like '%failing_hook%'"
    assert story.project.query(runs) == [(2,)]
    assert len(indexes(story.project, "failing_hook")) == 1


def test_descriptions_reach_the_database(story: Story) -> None:
    told = {"": "A relation with 'quotes'.", "id": "The key.", "embedding": "The vector."}
    assert comments(story.project, "documented") == told


def test_schema_change_ignore(story: Story) -> None:
    assert story.columns[2]["change_ignore"] == story.columns[1]["change_ignore"]
    assert "no longer has the column(s) subject" in story.message(3, "change_ignore")
    assert story.rows[3]["change_ignore"] == story.rows[2]["change_ignore"]
    assert story.rows[4]["change_ignore"] == story.rows[1]["change_ignore"]
    assert [column.split()[0] for column in story.columns[5]["change_ignore"]][:2] == ["id", "body"]


def test_schema_change_append_new_columns(story: Story) -> None:
    assert f"added {TEXT[story.project.engine]}" in story.columns[2]["change_append_new_columns"]
    assert story.message(2, "change_append_new_columns") == "EMBED 0 new, 3 cached, 5 updated, 1 null"
    assert story.rows[3]["change_append_new_columns"] == story.rows[2]["change_append_new_columns"]
    assert story.columns[4]["change_append_new_columns"] == story.columns[2]["change_append_new_columns"]
    assert [row[-1] for row in story.rows[4]["change_append_new_columns"]] == [
        "1.5",
        "3.0",
        "4.5",
        "6.0",
        "7.5",
    ]


def test_schema_change_sync_all_columns(story: Story) -> None:
    name, text = "change_sync_all_columns", TEXT[story.project.engine]
    assert f"added {text}" in story.columns[2][name]
    assert story.columns[3][name] == ["id integer", f"body {text}", *story.columns[1][name][3:]]
    assert [float(str(row[-1])) for row in story.rows[4][name]] == [1.5, 3.0, 4.5, 6.0, 7.5]
    assert all(
        f"0 new, 3 cached{', 5 updated' if step != 3 else ''}" in story.message(step, name)
        for step in (2, 3, 4)
    )


def test_schema_change_fail(story: Story) -> None:
    assert all("out of sync" in story.message(step, "change_fail") for step in (2, 3, 4))
    assert story.rows[4]["change_fail"] == story.rows[1]["change_fail"]


def test_a_contract_is_kept_and_follows_its_own_changes(story: Story) -> None:
    assert story.message(2, "contracted") == "EMBED 3 new, 0 cached, 1 null"
    refused = {"duckdb": "NOT NULL constraint failed", "pgvector": "violates not-null constraint"}
    assert refused[story.project.engine] in story.message(3, "contracted")
    assert story.rows[3]["contracted"] == story.rows[2]["contracted"]
    assert "extra integer" in story.columns[4]["contracted"]
    assert [row[-1] for row in story.rows[4]["contracted"]] == [2, 4, 6, 8, 10]
    assert constraints(story.project, "contracted") == ["NOT NULL", "PRIMARY KEY"]


def test_a_wrong_dimension_in_a_contract_costs_nothing(story: Story) -> None:
    message = story.message(1, "contract_wrong")
    assert vector_name(story.project, 32) in message
    assert vector_name(story.project, 16) in message
    assert story.project.query("select name from samespace.embedding_models") == [("tiny",)]


def test_indexes_survive_changed_texts_and_a_swap(story: Story) -> None:
    assert story.message(2, "indexed") == "EMBED 3 new, 0 cached, 1 null"
    assert [row[1] for row in story.rows[2]["indexed"]][:2] == ["hello world changed", "hello wrld changed"]
    assert story.message(4, "indexed") == "EMBED 1 new, 2 cached, 1 removed, 1 null"
    assert [row[0] for row in story.rows[4]["indexed"]] == [1, 3, 4, 5, 9]
    assert sorted(unique for _, unique, _ in indexes(story.project, "indexed")) == [False, True]


def test_full_refresh_false_keeps_the_table(story: Story) -> None:
    assert by_age(story.project, "kept", "lost") == ["kept", "lost"]


def test_options_under_meta(story: Story) -> None:
    assert story.message(1, "by_meta").endswith("cached")
    told = (
        "select key_column, text_column, role from samespace.embedding_relations where identifier = 'by_meta'"
    )
    assert story.project.query(told) == [("id", "body", "query")]


def test_a_name_that_is_taken_is_replaced_as_a_table_model_does(story: Story) -> None:
    kinds = story.project.query(
        "select table_name, table_type from information_schema.tables where table_name like 'taken%'"
    )
    assert sorted(kinds) == [("taken_table", "BASE TABLE"), ("taken_view", "BASE TABLE")]
    left = story.project.query(
        "select table_name from information_schema.tables where table_name like '%\\_\\_dbt%' escape '\\'"
    )
    assert left == []


def test_a_table_dropped_behind_dbt_comes_back_from_the_cache(story: Story) -> None:
    assert story.message(2, "lost") == "EMBED 0 new, 3 cached, 1 null"
    assert story.rows[2]["lost"] == story.rows[1]["lost"]


def test_columns_of_every_kind_and_name(story: Story) -> None:
    assert story.message(2, "wide") == "EMBED 0 new, 3 cached, 5 updated, 1 null"
    assert story.message(2, "names") == "EMBED 0 new, 3 cached, 5 updated, 1 null"
    expected = [
        "select",
        "order",
        "Mixed Case",
        "ünïcode ☃",
        'quo"te',
        "body",
        "id",
        "s",
        "t",
        "d",
        "c",
        "m",
        "f",
    ]
    assert [name for name, _ in columns(story.project, "names")] == [
        *expected,
        "role",
        "vector",
        "rows",
        "model_id",
        "content_hash",
        "embedding",
    ]
    assert [row[0] for row in story.rows[4]["names"]] == [4] * 5


def test_grants_are_applied_or_warned_about_once(story: Story) -> None:
    served = story.project.engine == "pgvector"
    if served:
        story.project.query("create role reporter")
    outcome = story.project.dbt("run", "--select", "granted")
    assert outcome.ok, outcome.output
    assert outcome.output.count("Grants for relations are not supported by DuckDB") == (not served)
    if served:
        allowed = "select has_table_privilege('reporter', 'granted', ?)"
        assert [story.project.query(allowed, [right]) for right in ("select", "insert")] == [
            [(True,)],
            [(False,)],
        ]


def test_tags_quiet_json_and_raw_result(story: Story) -> None:
    project = story.project
    quiet = project.dbt("--quiet", "run", "--select", "tag:vectors", "names", env={"STEP": "7"})
    assert quiet.ok, quiet.output
    assert quiet.output.strip() == ""
    responses = {r["unique_id"].split(".")[2]: r["adapter_response"] for r in quiet.results}
    assert set(responses) - {"scratch-on-run-start-0"} == {"documented", "names"}
    assert responses["documented"] == {
        "_message": "EMBED 0 new, 3 cached, 1 null",
        "code": "EMBED",
        "rows_affected": 5,
    }
    assert responses["names"]["_message"] == "EMBED 0 new, 3 cached, 5 updated, 1 null"
    lines = project.dbt("--log-format", "json", "run", "--select", "documented").output.splitlines()
    assert all(json.loads(line)["info"]["level"] for line in lines)
