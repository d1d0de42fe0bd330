"""A project whose embedding models use every config a table model takes, told in five steps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import databases
from catalog import TEXT, columns, exists
from harness import HASHING, DbtProject, Outcome
from targets import Target

TINY = {**HASHING, "dimension": 16}
NOTES = "id,body,subject\n1,hello world,x\n2,hello wrld,y\n3,,z\n4,good bye,w\n5,good bye,w\n"
STEP = "{% set step = env_var('STEP', '1') | int %}\n"
LOGGED = "insert into hook_log select count(*), '{0}', {1} from hook_log"


def head(**options: object) -> str:
    keys = {"materialized": "embedding", "model": "tiny", "key": "id", "text": "body", **options}
    return STEP + "{{ config(" + ", ".join(f"{name}={value!r}" for name, value in keys.items()) + ") }}\n"


def hook(name: str, held: str, transaction: bool) -> dict[str, object]:
    return {"sql": LOGGED.format(name, held), "transaction": transaction}


ALL = "select * from {{ ref('notes') }}"
CHANGING = """select id, body
{%- if step != 3 %}, subject{% endif %}
{%- if step == 2 %}, 'new' as added{% elif step == 4 %}, id * 1.5 as added{% endif %}
from {{ ref('notes') }}"""
MODES = ["ignore", "append_new_columns", "sync_all_columns", "fail"]
HELD = "(select count(*) from hooked)"
ADDED = ("model_id", "content_hash", "embedding")

MODELS = {
    "hooked": head(
        pre_hook=[hook("pre, outside", "0", False), hook("pre, inside", "0", True)],
        post_hook=[hook("post, outside", HELD, False), hook("post, inside", HELD, True)],
    )
    + ALL,
    "failing_hook": head(post_hook="{{ boom() }}", indexes=[{"columns": ["id"]}])
    + "select *, {{ step }} as step from {{ ref('notes') }} {% if step == 3 %}limit 2{% endif %}",
    "granted": head(grants={"select": ["reporter"]}) + ALL,
    "indexed": head(indexes=[{"columns": ["id"], "unique": True}, {"columns": ["model_id"]}])
    + "select id, body {% if step == 2 %}|| ' changed' as body{% endif %}, subject from {{ ref('notes') }}"
    + " {% if step == 4 %}where id != 2 union all select 9, 'nine', 'n'{% endif %}",
    "kept": head(full_refresh=False) + ALL,
    "documented": head(persist_docs={"relation": True, "columns": True}, tags=["vectors"]) + ALL,
    "by_meta": "{{ config(materialized='embedding') }}\n"
    "select id, coalesce(body, '') as body from {{ ref('notes') }}",
    "contracted": head(contract={"enforced": True})
    + "select id, body {% if step == 2 %}|| '!' as body{% endif %},"
    + " {% if step == 3 %}nullif(subject, 'w') as {% endif %}subject"
    + "{% if step == 4 %}, id * 2 as extra{% endif %} from {{ ref('notes') }}",
    "contract_wrong": head(model="unpaid", contract={"enforced": True})
    + "select id, body from {{ ref('notes') }}",
    "wide": head()
    + """
with recursive first_step as (select *, 1 as q from {{ ref('notes') }}), final as (
    select *, id::decimal(38, 10) as decimal_column, timestamptz '2024-01-01 00:00:00+00' as at,
        interval '1 day' as gap, '{"x": 1}'::json as json_column, WIDE
    from first_step
)
select * from final
""",
    "names": head()
    + """select {{ step }} as "select", 'o' as "order", 'x' as "Mixed Case", 'u' as "ünïcode ☃",
    'q' as "quo""te", body, id, subject as s, TRIPLE as t, SINGLE as d, 3 as c, 5 as m,
    TRIPLE as f, 'r' as role, 'v' as vector, 1 as rows from {{ ref('notes') }}""",
    "commented": head() + "-- first\nselect * from {{ ref('notes') }} -- the last line",
    "limited": head() + "select * from {{ ref('notes') }} order by id limit 3",
    "taken_view": head() + ALL,
    "taken_table": head() + ALL,
    "lost": head() + ALL,
    **{f"change_{mode}": head(on_schema_change=mode) + CHANGING for mode in MODES},
}

# What stands for the words in capitals: columns of the kinds that an engine has, and a hook that fails.
SPOKEN = {
    "duckdb": {
        "WIDE": """{'a': id, 'b': [1, 2], 'c': {'d': 'x'}} as struct_column, [subject, null] as list_column,
        [{'a': 1}] as structs, map {'k': id} as map_column, 'a'::blob as bytes,
        'a'::enum('a', 'b') as enum_column, uuid() is null as flag, [1, 2]::float[2] as pair,
        {'q': {{ step }}} as moving""",
        "TRIPLE": "{'id': 7, 'content_hash': 'z', 'model_id': 'm'}",
        "SINGLE": "{'id': 7}",
        "BOOM": "error('boom')",
    },
    "pgvector": {
        "WIDE": """row(7, 'z', 'm')::triple as struct_column, array[subject, null] as list_column,
        array['{"a": 1}'::json] as structs, jsonb_build_object('k', id) as map_column, 'a'::bytea as bytes,
        'a'::letter as enum_column, gen_random_uuid() is null as flag, '[1, 2]'::vector(2) as pair,
        point(1, 2) as place, '10.0.0.1'::inet as address, int4range(1, 2) as span, 'a b'::tsvector as words,
        'NaN'::numeric as nothing, box(point(0, 0), point(1, 1)) as area, array[array[1, 2]] as grid,
        row(id, {{ step }}::text, null)::triple as moving""",
        "TRIPLE": "row(7, 'z', 'm')::triple",
        "SINGLE": "row(7, null, null)::triple",
        # Not a constant: those are evaluated while the statement is planned.
        "BOOM": "cast('boom' || left(clock_timestamp()::text, 0) as integer)",
    },
}
BOOM = "{% macro boom() %}select case when {{ env_var('STEP', '1') }} in (2, 3) then BOOM end{% endmacro %}"
PREPARED = {
    "duckdb": [],
    "pgvector": [
        "create type triple as (id integer, content_hash text, model_id text)",
        "create type letter as enum ('a', 'b')",
        "create extension vector",
    ],
}
PROPERTIES = """
models:
  - name: documented
    description: A relation with 'quotes'.
    columns:
      - {name: id, description: The key.}
      - {name: embedding, description: The vector.}
  - name: by_meta
    config:
      meta: {samespace: {model: tiny, key: id, text: body, role: query, embed_empty: true}}
  - name: contracted
    constraints: [{type: primary_key, columns: [id], warn_unsupported: false}]
    columns:
      - {name: id, data_type: integer}
      - {name: body, data_type: TEXT}
      - {name: subject, data_type: TEXT, constraints: [{type: not_null, warn_unsupported: false}]}
      - {name: model_id, data_type: varchar, constraints: [{type: not_null, warn_unsupported: false}]}
      - {name: content_hash, data_type: HASH}
      - {name: embedding, data_type: "VECTOR_16"}#EXTRA
  - name: contract_wrong
    columns:
      - {name: id, data_type: integer}
      - {name: body, data_type: TEXT}
      - {name: model_id, data_type: varchar}
      - {name: content_hash, data_type: HASH}
      - {name: embedding, data_type: "VECTOR_32"}
unit_tests:
  - name: rows_of_the_select
    model: hooked
    given: [{input: ref('notes'), rows: [{id: 1, body: a, subject: s}]}]
    expect: {rows: [{id: 1, body: a, subject: s}]}
"""


@dataclass
class Story:
    """What five runs of one project left behind."""

    project: DbtProject
    runs: dict[int, Outcome]
    columns: dict[int, dict[str, list[str]]]
    rows: dict[int, dict[str, list[tuple[object, ...]]]]

    def message(self, step: int, name: str) -> str:
        return self.runs[step].message(name)


def look(project: DbtProject) -> tuple[dict[str, list[str]], dict[str, list[tuple[object, ...]]]]:
    """The columns of every model's table and its rows without what samespace added, by key."""
    held, rows = {}, {}
    for name in MODELS:
        if not exists(project, name):
            continue
        found = columns(project, name)
        held[name] = [f"{column} {kind.lower()}" for column, kind in found]
        own = [column.replace('"', '""') for column, _ in found if column not in ADDED]
        rows[name] = project.query(
            f"""select {", ".join(f'"{column}"' for column in own)} from {name} order by id"""
        )
    return held, rows


def spoken(text: str, project: DbtProject) -> str:
    """A text with the engine's words in place of those in capitals."""
    words = {
        **SPOKEN[project.engine],
        "data_type: TEXT": f"data_type: {TEXT[project.engine]}",
        "data_type: HASH": f"data_type: {TEXT[project.engine]}",
        "VECTOR_16": databases.vector_type(project.output, 16),
        "VECTOR_32": databases.vector_type(project.output, 32),
    }
    for word, meaning in words.items():
        text = text.replace(word, meaning)
    return text


def tell(make_project: Callable[..., DbtProject], target: Target) -> Story:
    """Build the project and run it with STEP 1, 2, 3, 4 and, refreshed in full, with STEP 3 again."""
    project = make_project(
        "citizen",
        on=target,
        models={"tiny": TINY, "unpaid": {**TINY, "version": "2"}},
        target={"threads": 4, "plugins": []},
        config={"on-run-start": "create table if not exists hook_log (n bigint, hook varchar, held bigint)"},
    )
    properties = spoken(PROPERTIES, project)
    project.write("seeds/notes.csv", NOTES)
    project.write("models/_models.yml", properties)
    project.write("macros/boom.sql", spoken(BOOM, project))
    for name, sql in MODELS.items():
        project.write(f"models/{name}.sql", spoken(sql, project))
    for sql in [*PREPARED[project.engine], "create view taken_view as select 1 as one"]:
        project.query(sql)
    project.query("create table taken_table as select 2 as two")
    told = Story(project, {}, {}, {})
    for step in (1, 2, 3, 4, 5):
        if step == 2:
            project.query("drop table lost")
        if step == 4:
            extra = "\n      - {name: extra, data_type: integer}"
            project.write("models/_models.yml", properties.replace("#EXTRA", extra))
        if step == 5:
            project.write("models/_models.yml", properties)
        arguments = {1: ["build"], 5: ["run", "--full-refresh"]}.get(step, ["run"])
        told.runs[step] = project.dbt(
            "--warn-error", *arguments, "--exclude", "granted", env={"STEP": str({5: 3}.get(step, step))}
        )
        told.columns[step], told.rows[step] = look(project)
    return told
