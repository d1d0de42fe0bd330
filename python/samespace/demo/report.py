"""The tables of the demo, read from the finished DuckDB file without dbt and without a model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from samespace.demo.source import quote
from samespace.demo.tables import table

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

Rows = list[tuple[Any, ...]]
_MEMBERS = 4

# Some of the largest and some of the most varied groups; of each the row to keep and what differs most.
_GROUPS = """
    with ranked as (
        select
            group_id,
            row_number() over (order by max(group_size) desc, group_id) as by_size,
            row_number() over (order by min(similarity_to_canonical), group_id) as by_variety
        from {duplicates}
        group by group_id
    ),
    chosen as (
        select group_id, least(2 * by_size, 2 * by_variety - 1) as place
        from ranked
        order by place, group_id
        limit {shown}
    ),
    members as (
        select
            chosen.place,
            d.*,
            {text} as value,
            row_number() over (
                partition by d.group_id order by d.is_canonical desc, d.similarity_to_canonical, d.key
            ) as number
        from chosen
        inner join {duplicates} as d using (group_id)
        inner join {embeddings} as e on {key} = d.key
    )
    select
        case when number = 1 then cast(group_id as varchar) end,
        cast(key as varchar),
        case when is_canonical then 'keep' else format('{{:.3f}}', similarity_to_canonical) end,
        value
    from members
    where number <= {members}
    order by place, group_id, number
"""


@dataclass(frozen=True)
class Relations:
    """Names of what dbt built. ``noun`` is what a row is called; ``label`` a column with known themes."""

    embeddings: str
    duplicates: str
    clusters: str
    labels: str
    key: str
    text: str
    noun: str
    label: str | None = None


class Report:
    """Reads one database. Every method returns the lines of one section."""

    def __init__(self, database: Path, relations: Relations) -> None:
        import duckdb

        self.connection: DuckDBPyConnection = duckdb.connect(str(database), read_only=True)
        self.names = relations
        self.key, self.text = f"e.{quote(relations.key)}", f"e.{quote(relations.text)}"

    def rows(self, sql: str, parameters: list[Any] | None = None) -> Rows:
        return self.connection.execute(sql, parameters or []).fetchall()

    def close(self) -> None:
        self.connection.close()

    def embedded(self) -> list[str]:
        """What the last dbt run embedded, per relation."""
        rows = self.rows(
            "select string_split(replace(relation, '\"', ''), '.')[-1], r.model_id, m.dimension, r.rows, "
            "r.distinct_texts, r.embedded, r.cached, r.nulls, r.truncated, r.seconds "
            "from samespace.embedding_runs r join samespace.embedding_models m using (model_id) "
            "where r.invocation_id = ("
            "select arg_max(invocation_id, finished_at) from samespace.embedding_runs) "
            "order by 1, 2"
        )
        header = ["relation", "model_id", "dim", "rows", "texts", "new", "cached", "null", "cut", "sec"]
        shown = [(*row[:9], f"{row[9]:.1f}") for row in rows]
        new, texts = sum(row[5] for row in rows), sum(row[4] for row in rows)
        lines = [table(header, shown)]
        if not new:
            lines.append(f"  Nothing new: all {texts:,} vectors are kept from an earlier run.")
        else:
            lines.append(
                "  Each distinct text is embedded once. null: no text. cut: longer than the model reads."
            )
        return lines

    def duplicates(self, shown: int = 5) -> list[str]:
        """How many rows are in groups, and a few groups with their texts."""
        names = self.names
        groups, rows = self.rows(f"select count(distinct group_id), count(*) from {names.duplicates}")[0]
        total = self.rows(f"select count(*) from {names.embeddings} where embedding is not null")[0][0]
        if not groups:
            return [f"  No two of {total:,} {names.noun} are this similar. A lower threshold finds more."]
        some, plural = "Some" if groups > shown else "All", "s" if groups > 1 else ""
        lines = [
            f"  {rows:,} of {total:,} {names.noun} are in {groups:,} group{plural}: "
            f"keeping the first of each drops {rows - groups:,}. {some} of them:",
        ]
        sources = {"duplicates": names.duplicates, "embeddings": names.embeddings}
        found = self.rows(
            _GROUPS.format(**sources, key=self.key, text=self.text, shown=shown, members=_MEMBERS)
        )
        lines.append(table(["group", names.key, "similar", names.text], found))
        return lines

    def clusters(self, shown: int = 12) -> list[str]:
        """Clusters by size with the terms that set them apart and the member nearest the centroid."""
        names = self.names
        label = ""
        if names.label:
            label = (
                ", (select format('{} {:.0f} %', v, 100.0 * n / sum(n) over ()) from ("
                f"select e.{quote(names.label)} as v, count(*) as n "
                f"from {names.clusters} c join {names.embeddings} e on c.key = {self.key} "
                "where c.cluster_id = l.cluster_id group by 1) "
                "order by n desc, v limit 1)"
            )
        rows = self.rows(
            f"select l.cluster_id, l.size, l.terms{label}, {self.text} from {names.labels} l "
            f"join {names.embeddings} e on {self.key} = l.example_key "
            f"order by l.size desc, l.cluster_id limit {shown}"
        )
        known = ["true theme"] if names.label else []
        header = ["cluster", "size", "terms", *known, "most typical"]
        return [table(header, rows)]

    def search(self, relation: str) -> list[str]:
        """The rows of a saved search."""
        names = self.names
        rows = self.rows(
            f"select rank, similarity, cast({self.key} as varchar), {self.text} "
            f"from {relation} e order by rank"
        )
        return [table(["rank", "similarity", names.key, names.text], rows)]

    def neighbours(self, key: str, k: int = 4) -> list[str]:
        """Rows most similar to a row, through the function that samespace.install put into the database."""
        names = self.names
        rows = self.rows(
            f"select e.rank, e.similarity, cast({self.key} as varchar), {self.text} "
            f"from samespace.search_by_key('{names.embeddings}', ?, {k}) e order by e.rank",
            [key],
        )
        return [table(["rank", "similarity", names.key, names.text], rows)]

    def largest_clusters(self, count: int = 3) -> Rows:
        """(key as text, text) of the members nearest the centroids of the largest clusters."""
        names = self.names
        return self.rows(
            f"select cast(l.example_key as varchar), {self.text} from {names.labels} l "
            f"join {names.embeddings} e on {self.key} = l.example_key "
            f"order by l.size desc, l.cluster_id limit {count}"
        )
