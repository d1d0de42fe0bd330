"""The cells of an embedding relation on DuckDB: made of the vectors in the cache, or found for new ones.

Runs on the connection that builds the relation. What it finds is left in temp tables, which the
materialization joins and keeps in the transaction that finishes the relation.
"""

from __future__ import annotations

import hashlib
import json
import time
import traceback
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from samespace.io._duckdb_rows import _as_matrix, _batches
from samespace.io._jobs import dbt_log, debug
from samespace.io._rows import literal
from samespace.io._store import quote

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    from samespace.kernels.cells import Calibration, Middles

INDEXES = "ivf_indexes"
INDEX_COLUMNS = """
    schema_name text not null, identifier text not null, model_id text not null, dimension integer not null,
    cells integer not null, share_10 double not null, share_100 double not null, recall_10 double not null,
    p5_10 double not null, recall_100 double not null, rows bigint not null, rows_trained bigint not null,
    appended bigint not null, asked text not null, built_at timestamp not null"""
CELL_COLUMNS = """
    schema_name text not null, identifier text not null, model_id text not null, cell integer not null,
    centroid float[{dimension}] not null"""
# Cells are numbered apart, so that those of another relation, or of another model, are never taken for these.
NUMBERS = 65_536
QUERIES = 512
FACTS = """
    model_id text, message text, cells integer, rows bigint, share_10 double, share_100 double,
    recall_10 double, p5_10 double, recall_100 double, seconds double"""


def run(connection: Any, text: str) -> None:
    """Train or assign, as a request in JSON says. Errors become a ``message`` in ``__samespace_cell_facts``:
    an exception would reach the person running dbt with a traceback.

    Leaves ``__samespace_cells`` (model_id, content_hash, cell) and ``__samespace_centroids`` (model_id, cell,
    centroid) too.
    """
    request = json.loads(text)
    for name, columns in (
        ("cells", "model_id text, content_hash text, cell integer"),
        ("centroids", "model_id text, cell integer, centroid float[]"),
        ("cell_facts", FACTS),
    ):
        connection.execute(f"create or replace temp table __samespace_{name} ({columns})")
    try:
        _assign(connection, request) if request["mode"] == "assign" else _train(connection, request)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # noqa: BLE001  # a panic in native code is no Exception, and would hang dbt
        debug(f"the cells of {request['title']} failed:\n{traceback.format_exc()}")
        said = " ".join(str(error).split()).rstrip(".")
        message = (
            f"samespace.embedding: the index of {request['title']} could not be made: "
            f"{type(error).__name__}: {said}. The table is as it was; the vectors made so far are kept. "
            "dbt's debug log has the details."
        )
        connection.execute("insert into __samespace_cell_facts (message) values (?)", [message])


def _train(connection: Any, request: dict[str, Any]) -> None:
    from samespace.pump import fill_lock

    # Matrix products of two dbt threads at once stall each other, and so does their first-time DDL.
    with fill_lock:
        _create_tables(connection, request)
        taken: set[int] = set()
        for model in request["models"]:
            _train_model(connection, request, model, _first_number(request, model["model_id"], taken))


def _create_tables(connection: Any, request: dict[str, Any]) -> None:
    schema = f"{quote(request['catalog'])}.{quote(request['schema'])}"
    connection.execute(f"create table if not exists {schema}.{INDEXES} ({INDEX_COLUMNS})")
    for model in request["models"]:
        dimension = int(model["dimension"])
        columns = CELL_COLUMNS.format(dimension=dimension)
        connection.execute(f"create table if not exists {schema}.ivf_cells_{dimension} ({columns})")


def _first_number(request: dict[str, Any], model_id: str, taken: set[int]) -> int:
    name = "/".join([*request["relation"], model_id])
    place = int(hashlib.sha256(name.encode()).hexdigest()[:8], 16)
    while 1 + place % (NUMBERS // 2 - 2) in taken:
        place += 1
    taken.add(1 + place % (NUMBERS // 2 - 2))
    return (1 + place % (NUMBERS // 2 - 2)) * NUMBERS


def _train_model(connection: Any, request: dict[str, Any], model: dict[str, Any], first: int) -> None:
    import numpy as np
    import pyarrow as pa

    from samespace.kernels.cells import SAMPLE_PER_CELL, Calibration, cells_for, train

    began, source = time.monotonic(), _vectors_of(request, model)
    rows = int(connection.execute(f"select count(*) from ({source})").fetchone()[0])
    if not rows:
        return
    cells = min(request["cells"] or cells_for(rows), rows)
    # In an order of their own: the same vectors give the same cells, wherever they lie in the cache.
    sample = _matrix(connection, source, _hashes_below(SAMPLE_PER_CELL * cells, rows))
    if len(sample) < cells:
        sample = _matrix(connection, source)
    log = dbt_log()
    centroids = train(sample, cells, log=lambda line: log(f"samespace.embedding: {request['title']}, {line}"))
    del sample
    asked = f"select * from ({source}) order by content_hash desc limit {QUERIES}"
    queries = list(_blocks(connection, asked))
    calibration = Calibration(np.vstack([block for _, block in queries]))
    names = pa.concat_arrays([hashes for hashes, _ in queries])
    middles, sizes, found = _sweep(connection, source, centroids, calibration, names)
    _write_cells(connection, model["model_id"], found, np.arange(cells) + first)
    centroids = middles.result()
    _write_centroids(connection, model["model_id"], centroids, first)
    share = min(1.0, request["probes"] / cells) if request["probes"] else None
    ten, hundred = calibration.measure(centroids, sizes, recall=request["recall"], share=share)
    connection.execute(
        "insert into __samespace_cell_facts values (?, null, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            model["model_id"], cells, rows, ten.share, max(ten.share, hundred.share), ten.recall, ten.p5,
            hundred.recall, time.monotonic() - began,
        ],
    )  # fmt: skip


def _sweep(
    connection: Any, source: str, centroids: NDArray[np.float32], calibration: Calibration, names: pa.Array
) -> tuple[Middles, NDArray[np.int64], list[tuple[pa.Array, NDArray[np.int64]]]]:
    """One pass over all vectors: what ranks the cells, the rows of each, and hashes with their cells."""
    import numpy as np

    from samespace.kernels.cells import Middles

    middles, sizes, found = Middles(centroids), np.zeros(len(centroids), dtype=np.int64), []
    for hashes, block, labels in _assigned(connection, source, centroids):
        calibration.see(block, labels, _places(hashes, names))
        middles.see(block, labels)
        sizes += np.bincount(labels, minlength=len(centroids))
        found.append((hashes, labels))
    return middles, sizes, found


def _assign(connection: Any, request: dict[str, Any]) -> None:
    import numpy as np

    for model in request["models"]:
        held = connection.execute(
            f"select cell, centroid from {model['table']} where schema_name = ? and identifier = ? "
            "and model_id = ? order by cell",
            [*request["relation"], model["model_id"]],
        ).to_arrow_table()
        if not held.num_rows:
            continue
        numbers = held.column("cell").to_numpy().astype(np.int64)
        centroids = _as_matrix(held.column("centroid").combine_chunks(), model["model_id"])
        changed = (
            " and content_hash in (select content_hash from __samespace_delta where model_id = "
            f"{literal(model['model_id'])} and __samespace_change <> 'update')"
        )
        found = [
            (hashes, labels)
            for hashes, _, labels in _assigned(connection, _vectors_of(request, model) + changed, centroids)
        ]
        _write_cells(connection, model["model_id"], found, numbers)


def _vectors_of(request: dict[str, Any], model: dict[str, Any]) -> str:
    """SQL of the distinct texts of the staged rows and their vectors; a condition may follow."""
    return (
        f"select content_hash, embedding from {model['cache']} where role = {literal(model['role'])} "
        f"and embedding is not null and content_hash in (select content_hash from {request['stage']})"
    )


def _hashes_below(wanted: int, rows: int) -> str:
    """SQL that keeps so many rows: hashes are spread evenly, so the lowest are a fixed random sample."""
    if wanted >= rows:
        return "true"
    return f"content_hash < '{int(wanted / rows * 16**12):012x}'"


def _blocks(connection: Any, query: str) -> Iterator[tuple[pa.Array, NDArray[np.float32]]]:
    """Hashes and unit vectors, batch by batch. Vectors that cannot be compared were never stored."""
    import numpy as np

    for batch in _batches(connection, query):
        if batch.num_rows:
            block = _as_matrix(batch.column("embedding"), "the cache")
            yield batch.column("content_hash"), block / np.linalg.norm(block, axis=1, keepdims=True)


def _matrix(connection: Any, source: str, condition: str = "true") -> NDArray[np.float32]:
    import numpy as np

    query = f"select * from ({source} and {condition}) order by content_hash"
    blocks = [block for _, block in _blocks(connection, query)]
    return np.vstack(blocks) if blocks else np.empty((0, 0), dtype=np.float32)


def _assigned(
    connection: Any, query: str, centroids: NDArray[np.float32]
) -> Iterator[tuple[pa.Array, NDArray[np.float32], NDArray[np.int64]]]:
    from samespace.kernels.cells import assign

    for hashes, block in _blocks(connection, query):
        yield hashes, block, assign(block, centroids)


def _places(hashes: pa.Array, names: pa.Array) -> NDArray[np.int64]:
    """For every hash its place among ``names``, or -1."""
    import numpy as np
    import pyarrow.compute as pc

    found = pc.fill_null(pc.index_in(hashes, value_set=names), -1)
    return np.asarray(found.to_numpy(zero_copy_only=False), dtype=np.int64)


def _write_cells(
    connection: Any, model_id: str, found: list[tuple[pa.Array, Any]], numbers: NDArray[np.int64]
) -> None:
    import pyarrow as pa

    batches = [
        pa.record_batch({"content_hash": hashes, "cell": numbers[labels].astype("int32")})
        for hashes, labels in found
    ]
    if batches:
        _insert(connection, "__samespace_cells", model_id, pa.Table.from_batches(batches))


def _write_centroids(connection: Any, model_id: str, centroids: NDArray[np.float32], first: int) -> None:
    import numpy as np
    import pyarrow as pa

    numbers = pa.array(np.arange(first, first + len(centroids), dtype=np.int32))
    values = pa.FixedSizeListArray.from_arrays(pa.array(centroids.ravel()), centroids.shape[1])
    _insert(connection, "__samespace_centroids", model_id, pa.table({"cell": numbers, "centroid": values}))


def _insert(connection: Any, table: str, model_id: str, rows: pa.Table) -> None:
    connection.register("__samespace_found", rows)
    try:
        connection.execute(f"insert into {table} select ?, * from __samespace_found", [model_id])
    finally:
        connection.unregister("__samespace_found")
