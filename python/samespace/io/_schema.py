"""The tables that samespace owns in a database: names and columns, the same on every engine."""

from __future__ import annotations

REGISTRY = "embedding_models"
RELATIONS = "embedding_relations"
RUNS = "embedding_runs"

# {float_list} and {text_list} are the engine's array types.
TABLES: dict[str, str] = {
    REGISTRY: """
        model_id text not null, space text not null, name text not null, provider text not null,
        digest text not null, spec text not null, dimension integer not null, unit_norm boolean not null,
        verified boolean not null, revision text, canary_version integer not null,
        canaries {float_list} not null, checksum text not null, samespace_version text not null,
        first_used_at timestamp not null, last_verified_at timestamp not null""",
    RELATIONS: """
        database_name text not null, schema_name text not null, identifier text not null,
        key_column text not null, text_column text not null, embedding_column text not null,
        model_ids {text_list} not null, role text not null, rows bigint not null,
        updated_at timestamp not null""",
    RUNS: """
        invocation_id text not null, relation text not null, model_id text not null, role text not null,
        rows bigint not null, distinct_texts bigint not null, embedded bigint not null,
        cached bigint not null,
        removed bigint not null, updated bigint not null, nulls bigint not null, truncated bigint not null,
        tokens bigint, seconds double precision not null, texts_per_second double precision,
        engine text, precision text, finished_at timestamp not null""",
}
# Where an engine keeps keys as indexes.
KEYS: dict[str, str] = {REGISTRY: "model_id"}
# {text} and {vector} are the engine's types for an ASCII text and a vector; {now} is its default, or nothing.
CACHE_COLUMNS = """
        role {text} not null, content_hash {text} not null, embedding {vector}, tokens integer,
        truncated boolean, created_at timestamp not null{now}, unused_since timestamp"""
# What differs most comes first: an index then rarely compares the rest.
CACHE_KEY = "content_hash, role"
CACHE_PREFIX = "embedding_cache_"
# What the job leaves for the materialization, in a temp table of its connection. `again`: the connection was
# lost, what was embedded is kept, temp tables are gone: stage and fill again.
OUTCOME = """
        model_id text, message text, cache text, distinct_texts bigint, embedded bigint, tokens bigint,
        seconds double precision, engine text, precision text, again boolean,
        truncated bigint"""


def cache_table(digest: str) -> str:
    """One cache table per fingerprint, so that renaming a model costs nothing."""
    return f"{CACHE_PREFIX}{digest}"
