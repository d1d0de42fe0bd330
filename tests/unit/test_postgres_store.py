"""The store on a real PostgreSQL: tables, pages, the registry, locks, rights."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import databases
import numpy as np
import pytest
from job_connection import CACHE, SPEC, Connection, content_hash, stage, vector
from samespace._job import Coverage, Encoded
from samespace._registry import Registration
from samespace.errors import RightsError, StorageError
from samespace.io._session import with_marks
from samespace.io.postgres import PostgresStore
from samespace.spec import ModelSpec

MODEL = ModelSpec.from_dict(SPEC)
WIDE = ModelSpec.from_dict({**SPEC, "digest": "b" * 32, "model_id": "wide@bbbbbbbb", "dimension": 2})
ROW = Registration(WIDE.model_id, WIDE.digest, 1, np.array([[1 / 3, -0.0], [1e-45, 2]], np.float32),
                   None, WIDE.model_id, True, True)  # fmt: skip


def write(store: PostgresStore, cache: str, texts: list[str]) -> None:
    rows = np.vstack([vector(text) for text in texts])
    hashes = [content_hash(text) for text in texts]
    store.write_page(cache, "document", Encoded(hashes, rows, np.ones(len(texts), np.int32)))


def test_tables_pages_and_the_connection_afterwards(output: dict[str, Any], connection: Connection) -> None:
    stage(connection, 1, 250)
    store = PostgresStore(connection, "samespace")
    with store.session.committing():
        store.prepare()
        cache = store.prepare_cache(MODEL)
        assert store.collect_pending("__samespace_stage", "body", cache, "document", 100, 10**9) == (
            250, sum(len(f"text {n}") for n in range(1, 251))
        )  # fmt: skip
        assert store.coverage("__samespace_stage", cache, "document") == Coverage(250, 250, 0)
        assert store.pages() == 3
        pages = [store.page(number) for number in (1, 2, 3)]
        assert [len(page.texts) for page in pages] == [100, 100, 50]
        texts = [text for page in pages for text in page.texts]
        assert sorted(texts, key=len, reverse=True) == texts
        assert {content_hash(text) for text in texts} == {value for page in pages for value in page.hashes}
        for page in pages:
            assert connection.handle.info.transaction_status == 0
            write(store, cache, page.texts)
        assert store.collect_pending("__samespace_stage", "body", cache, "document", 100, 10**9) == (0, 0)
        assert store.coverage("__samespace_stage", cache, "document") == Coverage(250, 0, 0)
        kept = store.cached_vectors(cache, "document", [content_hash("text 7"), content_hash("none")])
        assert {key: row.tolist() for key, row in kept.items()} == {
            content_hash("text 7"): vector("text 7").tolist()
        }
        assert store.keys_of("__samespace_stage", "id", content_hash("text 7")) == ["7"]
    assert connection.handle.info.transaction_status == 0
    assert connection.handle.autocommit == connection.autocommit
    found = databases.execute(output, f"select count(*), min(tokens), count(created_at) from {CACHE}")
    assert found == [(250, 1, 250)]


def test_bytes_bound_a_page(connection: Connection) -> None:
    stage(connection, 100, 199)
    store = PostgresStore(connection, "samespace")
    with store.session.committing():
        store.prepare()
        cache = store.prepare_cache(MODEL)
        store.collect_pending("__samespace_stage", "body", cache, "document", 1000, 80)
        assert store.pages() == 11
        assert max(len(store.page(number).texts) for number in range(1, 12)) == 10


@pytest.mark.parametrize("older", [False, True])
def test_a_text_that_another_session_cached_meanwhile(
    output: dict[str, Any], connection: Connection, older: bool
) -> None:
    """Also where an older version made the cache, with its key the other way round."""
    store = PostgresStore(connection, "samespace")
    with store.session.committing():
        store.prepare()
        cache = store.prepare_cache(MODEL)
        if older:
            key = f'"embedding_cache_{MODEL.digest}_pkey"'
            connection.query(
                f"alter table {CACHE} drop constraint {key}, add primary key (role, content_hash)"
            )
        write(store, cache, ["one"])
        write(store, cache, ["zero", "one", "two"])
        write(store, cache, ["two", "one"])
    assert databases.execute(output, f"select count(*), count(created_at) from {CACHE}") == [(3, 3)]


def test_a_transaction_of_the_caller_is_his_to_end(output: dict[str, Any]) -> None:
    connection = Connection(output)
    databases.execute(output, "create table public.notes (x integer)")
    store = PostgresStore(connection, "samespace")
    with connection.handle.cursor() as cursor:
        cursor.execute("insert into public.notes values (1)")
    with store.session.committing(keep_transaction=True):
        store.prepare()
        cache = store.prepare_cache(MODEL)
        write(store, cache, ["one"])
        write(store, cache, ["one", "two"])
    assert databases.execute(output, "select count(*) from public.notes") == [(0,)]
    connection.handle.rollback()
    assert not databases.execute(output, "select 1 from pg_namespace where nspname = 'samespace'")
    connection.close()


@pytest.mark.parametrize(("dimension", "storage"), [(2, "p"), (2000, "p"), (2001, "e")])
def test_vectors_stay_in_their_row_while_a_page_holds_them(
    output: dict[str, Any], dimension: int, storage: str
) -> None:
    connection = Connection(output)
    spec = ModelSpec.from_dict({**SPEC, "dimension": dimension})
    store = PostgresStore(connection, "samespace")
    with store.session.committing():
        store.prepare()
        cache = store.prepare_cache(spec)
        rows = np.full((3, dimension), 0.5, np.float32)
        hashes = [content_hash(str(number)) for number in range(3)]
        store.write_page(cache, "document", Encoded(hashes, rows, np.ones(3, np.int32), np.ones(3, np.bool_)))
        assert store.cached_vectors(cache, "document", hashes)[hashes[1]].shape == (dimension,)
    found = databases.execute(
        output, "select attstorage from pg_attribute where attname = 'embedding' "
        f"and attrelid = cast('{CACHE}' as regclass)",
    )  # fmt: skip
    assert found[0][0] in (storage, storage.encode())
    connection.close()


def test_more_numbers_than_the_type_holds(output: dict[str, Any]) -> None:
    connection = Connection(output)
    store = PostgresStore(connection, "samespace")
    with store.session.committing(), pytest.raises(StorageError, match="of 16,001 numbers do not fit"):
        store.prepare_cache(ModelSpec.from_dict({**SPEC, "dimension": 16_001}))
    connection.close()


def test_the_registry_keeps_every_bit(output: dict[str, Any], connection: Connection) -> None:
    connection.query("set extra_float_digits = 0")
    store = PostgresStore(connection, "samespace")
    with store.session.committing():
        assert store.registration(MODEL.model_id) is None
        store.prepare()
        store.register(WIDE, ROW)
        again = store.registration(WIDE.model_id)
        assert again is not None
        assert again.canaries.view(np.uint32).tolist() == ROW.canaries.view(np.uint32).tolist()
        store.mark_verified(ROW)
        databases.execute(output, "update samespace.embedding_models set unit_norm = false")
        with pytest.raises(StorageError, match="is not what samespace wrote"):
            store.registration(WIDE.model_id)


@pytest.mark.parametrize("name", ["what?", "100%", 'a"b', "o'clock %s ?", "group"])
def test_weird_names(output: dict[str, Any], name: str) -> None:
    connection = Connection(output)
    quoted = '"' + name.replace('"', '""') + '"'
    connection.query(f"create temp table t as select 1 as {quoted}, 'h' as content_hash")
    store = PostgresStore(connection, name)
    with store.session.committing():
        assert store.keys_of("t", name, "h") == ["1"]
        store.prepare()
        cache = store.prepare_cache(MODEL)
        write(store, cache, ["one"])
        assert store.cached_vectors(cache, "document", [content_hash("one")])
        assert store.registration("none") is None
    connection.close()


def test_marks() -> None:
    assert with_marks("a = ? and \"b?%\" = '?%' and c % 2 = ?") == (
        "a = %s and \"b?%%\" = '?%%' and c %% 2 = %s"
    )


def test_vectors_of_the_target_are_taken_over_unless_they_were_rounded(output: dict[str, Any]) -> None:
    connection = Connection(output)
    stage(connection, 1, 3)
    for kind in ("vector", "halfvec"):
        connection.query(
            f"create table public.{kind}s as select 'toy@aaaaaaaa' as model_id, content_hash, "
            f"cast('[1,2,3,4,5,6,7,8]' as {kind}(8)) as embedding "
            "from __samespace_stage, generate_series(1, 2)"
        )
    store = PostgresStore(connection, "samespace")
    with store.session.committing():
        store.prepare()
        cache = store.prepare_cache(MODEL)
        kept = store.unproven(cache, "__samespace_stage", "body", "public.halfvecs", MODEL, "document")
        assert len(kept) == 3
        for target, rows in (("public.halfvecs", 0), ('"public"."vectors"', 3), ("public.vectors", 3)):
            store.seed_cache(cache, "__samespace_stage", target, MODEL.model_id, "document")
            assert store._rows(f"select count(*) from {cache}") == [(rows,)]
        proof = store.unproven(cache, "__samespace_stage", "body", None, MODEL, "document")
        assert ("text 2", [1, 2, 3, 4, 5, 6, 7, 8]) in proof
        own = store.prepare_cache(MODEL, temporary=True)
        store.seed_cache(own, "__samespace_stage", "public.halfvecs", MODEL.model_id, "document")
        assert store._rows(f"select count(*) from {own}") == [(3,)]
    connection.close()


def test_first_time_tables_by_many_sessions_at_once(output: dict[str, Any]) -> None:
    start, errors = threading.Barrier(6), []

    def prepare() -> None:
        connection = Connection(output)
        store = PostgresStore(connection, "samespace", {"read": ["pg_monitor"], "build": []})
        start.wait()
        try:
            with store.session.committing():
                store.prepare()
                store.prepare_cache(MODEL)
        except Exception as error:  # noqa: BLE001
            errors.append(error)
        connection.close()

    threads = [threading.Thread(target=prepare) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors


@pytest.fixture
def roles(output: dict[str, Any]) -> Iterator[dict[str, Connection]]:
    """Connections of roles that may do nothing yet: "Dev One", prod, bi."""
    with ExitStack() as stack:
        made = {}
        for name in ("Dev One", "prod", "bi"):
            known = databases.execute(output, "select 1 from pg_roles where rolname = ?", [name])
            if not known:
                databases.execute(output, f'create role "{name}" login')
            made[name] = Connection(output, user=name)
            stack.callback(made[name].close)
        yield made


def test_missing_rights_are_one_sentence_with_the_grants(roles: dict[str, Connection]) -> None:
    store = PostgresStore(roles["Dev One"], "samespace")
    with store.session.committing(), pytest.raises(RightsError) as caught:
        store.prepare()
    said = str(caught.value)
    assert "the role Dev One lacks a right in the schema samespace (permission denied for database" in said
    assert '    grant usage, create on schema "samespace" to "Dev One";\n' in said
    assert "var samespace_schema" in said
    assert roles["Dev One"].handle.info.transaction_status == 0


def test_grants_let_two_roles_build_and_one_read(
    output: dict[str, Any], roles: dict[str, Connection]
) -> None:
    databases.execute(output, 'create schema samespace authorization "prod"')
    grants = {"build": ["Dev One"], "read": ["bi"]}
    for name, spec in (("prod", MODEL), ("Dev One", WIDE), ("prod", WIDE), ("Dev One", MODEL)):
        store = PostgresStore(roles[name], "samespace", grants)
        with store.session.committing():
            store.prepare()
            cache = store.prepare_cache(spec)
            rows = np.ones((1, spec.dimension), np.float32)
            store.write_page(cache, "document", Encoded([content_hash(name)], rows))
            if store.registration(spec.model_id) is None:
                store.register(spec, Registration(spec.model_id, spec.digest, 1, rows))
            store.mark_verified(Registration(spec.model_id, spec.digest, 1, rows))
    reader = PostgresStore(roles["bi"], "samespace", grants)
    with reader.session.committing():
        reader.prepare()
        cache = reader.prepare_cache(WIDE)
        assert reader.cached_vectors(cache, "document", [content_hash("prod")])
        reader.mark_verified(Registration(WIDE.model_id, WIDE.digest, 1, np.ones((1, 2), np.float32)))
        with pytest.raises(RightsError, match="permission denied for table"):
            write(reader, cache, ["new"])


def test_a_role_that_is_not_there(connection: Connection) -> None:
    store = PostgresStore(connection, "samespace", {"build": ["nobody_here", "public"], "read": []})
    with store.session.committing():
        store.prepare()
        with pytest.raises(StorageError, match="samespace_grants names nobody_here, which is no role"):
            store.prepare_cache(MODEL)


def test_a_database_of_another_encoding(output: dict[str, Any]) -> None:
    name = output["dbname"] + "_latin"
    databases.execute(
        output, f"create database \"{name}\" encoding 'LATIN1' lc_collate 'C' lc_ctype 'C' template template0"
    )
    latin = Connection(output, dbname=name)
    store = PostgresStore(latin, "samespace")
    with (
        store.session.committing(),
        pytest.raises(StorageError, match="LATIN1; it has to be UTF8"),
    ):
        store.prepare()
    latin.close()
