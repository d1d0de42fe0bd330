"""The tables of the demo, in SQL that every database of the demo understands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from samespace.demo.readers import Reader, Rows
from samespace.demo.source import quote
from samespace.demo.tables import table

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
        case when not is_canonical then similarity_to_canonical end,
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

    def __init__(self, reader: Reader, relations: Relations) -> None:
        self.reader, self.names = reader, relations
        self.key, self.text = f"e.{quote(relations.key)}", f"e.{quote(relations.text)}"

    def rows(self, sql: str, parameters: list[Any] | None = None) -> Rows:
        return self.reader.rows(sql, parameters)

    def close(self) -> None:
        self.reader.close()

    def embedded(self) -> list[str]:
        """What the last dbt run embedded, per relation."""
        rows = self.rows(
            "select r.relation, r.model_id, m.dimension, r.rows, "
            "r.distinct_texts, r.embedded, r.cached, r.nulls, r.truncated, r.seconds "
            "from samespace.embedding_runs r join samespace.embedding_models m using (model_id) "
            "where r.invocation_id = ("
            "select invocation_id from samespace.embedding_runs order by finished_at desc limit 1) "
            "order by 1, 2"
        )
        header = ["relation", "model_id", "dim", "rows", "texts", "new", "cached", "null", "cut", "sec"]
        shown = [(row[0].replace('"', "").split(".")[-1], *row[1:9], f"{row[9]:.1f}") for row in rows]
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
        shown_rows = [(group, key, _kept(similar), text) for group, key, similar, text in found]
        lines.append(table(["group", names.key, "similar", names.text], shown_rows))
        return lines

    def clusters(self, shown: int = 12) -> list[str]:
        """Clusters by size with the terms that set them apart and the member nearest the centroid."""
        names, themes = self.names, self._themes()
        rows = self.rows(
            f"select l.cluster_id, l.size, l.terms, {self.text} from {names.labels} l "
            f"join {names.embeddings} e on {self.key} = l.example_key "
            f"order by l.size desc, l.cluster_id limit {shown}"
        )
        if names.label:
            rows = [(*row[:3], themes[row[0]], row[3]) for row in rows]
        known = ["true theme"] if names.label else []
        header = ["cluster", "size", "terms", *known, "most typical"]
        return [table(header, rows)]

    def _themes(self) -> dict[Any, str]:
        """Of each cluster the known theme that is most frequent in it, and its share."""
        if not self.names.label:
            return {}
        counts = self.rows(
            f"select c.cluster_id, e.{quote(self.names.label)}, count(*) from {self.names.clusters} c "
            f"join {self.names.embeddings} e on c.key = {self.key} group by 1, 2 order by 1, 3 desc, 2"
        )
        sizes: dict[Any, int] = {}
        for cluster, _, count in counts:
            sizes[cluster] = sizes.get(cluster, 0) + count
        first = {cluster: (theme, count) for cluster, theme, count in reversed(counts)}
        return {c: f"{theme} {100 * count / sizes[c]:.0f} %" for c, (theme, count) in first.items()}

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
        found = self.reader.found_key(quote(names.key))
        rows = self.rows(
            f"select f.rank, f.similarity, cast({self.key} as varchar), {self.text} "
            f"from samespace.search_by_key('{names.embeddings}', ?, {k}) f "
            f"join {names.embeddings} e on {self.key} = f.{found} order by f.rank",
            [key],
        )
        return [table(["rank", "similarity", names.key, names.text], rows)]

    def in_sql(self, sql: str) -> list[str]:
        """A query as a SQL client runs it, and its rows."""
        header, rows = self.reader.table(sql)
        lines = sql.replace(" from ", "\nfrom ").splitlines()
        return [*(f"    {line}" for line in lines), table(header, rows)]

    def largest_clusters(self, count: int = 3) -> Rows:
        """(key as text, text) of the members nearest the centroids of the largest clusters."""
        names = self.names
        return self.rows(
            f"select cast(l.example_key as varchar), {self.text} from {names.labels} l "
            f"join {names.embeddings} e on {self.key} = l.example_key "
            f"order by l.size desc, l.cluster_id limit {count}"
        )


def _kept(similarity: float | None) -> str:
    return "keep" if similarity is None else f"{similarity:.3f}"
