"""What a kernel does with a request: the same on every engine.

A request is a JSON object that macros/primitives/run_kernel.sql renders. It holds no rows but the SQL that
selects them (ordinal, entity, space, embedding). They are read one space after the other, so that vectors
of two spaces never share a matrix. Memory: that of ``samespace.kernels._settings.needed`` for the largest
space, of both sides where queries have a relation of their own, plus the result; ``samespace_kernel.memory``
bounds it, and what does not fit stops before its vectors are read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from samespace.errors import KernelError
from samespace.io._rows import Reader, Rows

if TYPE_CHECKING:
    import pyarrow as pa

    from samespace.kernels._settings import Settings

Log = Callable[[str], None]

# The kernels' result schemas, written out: registering a function must not import NumPy.
RESULTS = {
    "knn": "query BIGINT, neighbour BIGINT, similarity DOUBLE, rank INTEGER",
    "within_threshold": "query BIGINT, neighbour BIGINT, similarity DOUBLE",
    "duplicate_pairs": "left_row BIGINT, right_row BIGINT, similarity DOUBLE",
    "duplicates": (
        "member BIGINT, group_id BIGINT, group_size BIGINT, canonical BIGINT,"
        " similarity_to_canonical DOUBLE, min_similarity DOUBLE"
    ),
    "clusters": "member BIGINT, cluster_id BIGINT, similarity_to_centroid DOUBLE",
}
_ARROW = {"BIGINT": "int64", "INTEGER": "int32", "DOUBLE": "float64"}


@dataclass
class Request:
    """One call: the parsed JSON, who reads its rows and where to log."""

    fields: dict[str, Any]
    reader: Reader
    log: Log
    left_out: dict[str, int] = field(default_factory=dict)

    def spaces(self) -> Iterator[str]:
        yield from self.reader.spaces(self.fields["select"])

    def rows(self, space: str, side: str = "select", **options: Any) -> Rows:
        """Rows of one space of the relation ('select') or of the queries ('queries')."""
        rows = self.reader.rows(self.fields[side], space, room=self.settings.require, **options)
        self.count("no vector (NULL)", rows.without_vector)
        self.count("a vector of NaN, infinity or only zeros", rows.unusable)
        return rows

    def count(self, reason: str, rows: int) -> None:
        self.left_out[reason] = self.left_out.get(reason, 0) + rows

    @property
    def settings(self) -> Settings:
        """How the kernel may use the machine: the var samespace_kernel."""
        from samespace.kernels._settings import Settings

        return Settings.of(self.fields.get("settings"))

    def options(self, space: str) -> dict[str, Any]:
        """What every kernel takes: settings, and a log that names macro, relation and space."""
        start = f"samespace.{self.fields['macro']}: '{self.fields['title']}' ({space}), "
        return {"settings": self.settings, "log": lambda message: self.log(start + message)}

    def threshold(self, space: str) -> float:
        """The threshold of a space: one number for all, or a mapping by space."""
        given = self.fields["threshold"]
        if not isinstance(given, dict):
            return float(given)
        if space not in given:
            named = ", ".join(sorted(given))
            raise KernelError(f"threshold names {named}, but the relation also holds {space}")
        return float(given[space])


def _knn(request: Request) -> Iterator[pa.RecordBatch]:
    from samespace.kernels.top_k import top_k

    k = int(request.fields["k"])
    for space, rows, queries in _sides(request):
        if queries is None:
            norms = (rows.norms, None)
            found = top_k(rows.matrix, k=k, entity=rows.entity, norms=norms, **request.options(space))
        else:
            lengths = (rows.norms, queries.norms)
            found = top_k(rows.matrix, queries.matrix, k=k, norms=lengths, **request.options(space))
        yield _with_ordinals(found, query=queries or rows, neighbour=rows)


def _within_threshold(request: Request) -> Iterator[pa.RecordBatch]:
    from samespace.kernels.pairs import within_self, within_threshold

    most = int(request.fields["max_pairs"])
    for space, rows, queries in _sides(request):
        threshold, options = request.threshold(space), request.options(space) | {"max_pairs": most}
        if queries is None:
            found = within_self(rows.matrix, threshold, entity=rows.entity, norms=rows.norms, **options)
        else:
            norms = rows.norms, queries.norms
            found = within_threshold(rows.matrix, queries.matrix, threshold, norms=norms, **options)
        most -= found.num_rows
        yield _with_ordinals(found, query=queries or rows, neighbour=rows)


def _sides(request: Request) -> Iterator[tuple[str, Rows, Rows | None]]:
    """Space, its rows, and its queries (None: the rows themselves); both sides hold rows of the space."""
    if not request.fields.get("queries"):
        for space in request.spaces():
            yield space, request.rows(space), None
        return
    asked = request.reader.spaces(request.fields["queries"])
    held = set(request.spaces())
    for space, count in asked.items():
        if space not in held:
            request.count(f"a space ({space}) that the other side does not hold", count)
            continue
        rows, queries = request.rows(space), request.rows(space, "queries")
        if len(rows.ordinals) and len(queries.ordinals):
            yield space, rows, queries


def _duplicate_pairs(request: Request) -> Iterator[pa.RecordBatch]:
    from samespace.kernels.pairs import pairs

    most = int(request.fields["max_pairs"])
    for space in request.spaces():
        rows = request.rows(space)
        threshold, options = request.threshold(space), request.options(space) | {"max_pairs": most}
        found = pairs(rows.matrix, threshold, entity=rows.entity, norms=rows.norms, **options)
        most -= found.num_rows
        yield _with_ordinals(found, left_row=rows, right_row=rows)


def _duplicates(request: Request) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa
    import pyarrow.compute as pc

    from samespace.kernels.groups import groups

    seen = 0
    for space in request.spaces():
        rows = _one_per_key(request, request.rows(space, order="priority"))
        threshold, linkage = request.threshold(space), request.fields["linkage"]
        found = groups(rows.matrix, threshold, linkage=linkage, norms=rows.norms, **request.options(space))
        if not found.num_rows:
            continue
        shifted = pc.add(found.column("group_id"), pa.scalar(seen, pa.int64()))
        seen = pc.max(shifted).as_py()
        at = found.schema.get_field_index("group_id")
        yield _with_ordinals(found.set_column(at, "group_id", shifted), member=rows, canonical=rows)


def _one_per_key(request: Request, rows: Rows) -> Rows:
    """A key under two model_ids of one declared space is one thing, not its own duplicate."""
    import numpy as np

    first = np.sort(np.unique(rows.entity, return_index=True)[1])
    if len(first) == len(rows.entity):
        return rows
    request.count("a key that another model_id of the space already brought", len(rows.entity) - len(first))
    return rows.take(first)


def _clusters(request: Request) -> Iterator[pa.RecordBatch]:
    from samespace.kernels.kmeans import kmeans

    for space in request.spaces():
        rows = request.rows(space, extra="previous")
        if not len(rows.ordinals):
            continue
        k, seed, options = int(request.fields["k"]), int(request.fields["seed"]), request.options(space)
        found = kmeans(rows.matrix, k, seed=seed, previous=rows.extra, norms=rows.norms, **options)
        yield _with_ordinals(found, member=rows)


def _with_ordinals(found: pa.RecordBatch, **columns: Rows) -> pa.RecordBatch:
    """Positions in the matrix become ordinals of the relation, which the macro joins to keys."""
    import pyarrow as pa

    for name, rows in columns.items():
        ordinals = pa.array(rows.ordinals[found.column(name).to_numpy()])
        found = found.set_column(found.schema.get_field_index(name), name, ordinals)
    return found


RUN: dict[str, Callable[[Request], Iterator[Any]]] = {
    "knn": _knn, "within_threshold": _within_threshold, "duplicate_pairs": _duplicate_pairs,
    "duplicates": _duplicates, "clusters": _clusters,
}  # fmt: skip


def run_request(kernel: str, fields: dict[str, Any], reader: Reader, log: Log) -> pa.Table:
    """Run a kernel over every space that ``reader`` finds; its schema, all spaces. Logs the rows left out.

    Raises KernelError, its text starting with the macro and the relation that the request names.
    """
    import pyarrow as pa

    request, start = Request(fields, reader, log), who(kernel, fields)
    try:
        batches = list(RUN[kernel](request))
    except KernelError as error:
        raise KernelError(f"{start}: {error}") from error
    for reason, rows in request.left_out.items():
        if rows:
            log(f"{start}: rows left out: {rows:,} with {reason}")
    return pa.Table.from_batches(batches, schema=result_schema(kernel))


def result_schema(kernel: str) -> pa.Schema:
    """The Arrow schema that matches RESULTS, for a result without rows."""
    import pyarrow as pa

    columns = [column.split() for column in RESULTS[kernel].split(", ")]
    return pa.schema([(name, pa.type_for_alias(_ARROW[kind])) for name, kind in columns])


def failure(kernel: str, fields: dict[str, Any], error: BaseException, text: str | None = None) -> str:
    """What the person running dbt reads of an error that is not ours; the traceback goes to the debug log.
    ``text`` is what the error says, where its own text says more than that."""
    said = " ".join((text or str(error)).split()).rstrip(".")
    return f"{who(kernel, fields)}: {type(error).__name__}: {said}. dbt's debug log has the details."


def who(kernel: str, fields: dict[str, Any]) -> str:
    """How every sentence starts: the macro and the relation."""
    return f"samespace.{fields.get('macro', kernel)}: '{fields.get('title', '')}'"
