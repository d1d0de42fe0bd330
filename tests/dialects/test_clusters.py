"""clusters and cluster_labels through dbt: spaces apart, numbers that stay, terms by an independent count."""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter

import pytest
from harness import DbtProject
from points import MODELS, difference, model, project, usable
from targets import Target

ERRORS = {
    "too_many": ("clusters(ref('points_int'), k=1000, key='id')", "k=1000, but 57 rows have a usable vector"),
    "k_zero": ("clusters(ref('points_int'), k=0, key='id')", "k is 0; expected a whole number of at least 1"),
    "view": ("clusters(ref('points_int'), k=3, key='id')", "Set materialized='table'"),
    "ephemeral": (
        "clusters(ref('passing'), k=3, key='id')",
        "a kernel reads tables, and 'passing' is none here",
    ),
    "no_text": ("cluster_labels(ref('three'), ref('points_int'), key='id')", "Pass text=<its column>"),
}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, target: Target) -> DbtProject:
    made = project(tmp_path_factory.mktemp("clusters"), target, MODELS)
    model(made, "three", "clusters(ref('points_int'), k=3, key='id')")
    model(made, "three_again", "clusters(ref('points_int'), k=3, key='id')")
    model(made, "kept", "clusters(ref('points_int'), k=3, key='id', previous=this)")
    model(made, "quoted", "clusters(ref('points_quoted'), k=3, key='Order Id', where='\"Order Id\" < 50')")
    model(made, "labels", "cluster_labels(ref('three'), ref('points_int'), terms=4, key='id', text='text')")
    made.write(
        "models/passing.sql", "{{ config(materialized='ephemeral') }} select * from {{ ref('points_int') }}"
    )
    for name, (call, _) in ERRORS.items():
        model(made, f"errors/bad_{name}", call, "view" if name == "view" else "table")
    done = made.dbt("run", "--exclude", "path:models/errors")
    assert done.ok, done.output
    return made


def test_every_usable_row_has_one_cluster_per_space(built: DbtProject) -> None:
    for name in MODELS:
        keys = built.query("select key from three where model_id like ? order by key", [f"{name}@%"])
        assert [key for (key,) in keys] == usable()


def test_spaces_are_clustered_apart(built: DbtProject) -> None:
    """Both models hold the same vectors: each numbers its own clusters, and centroids are not shared."""
    one, other = (
        built.query(
            "select key, cluster_id, similarity_to_centroid from three where model_id like ?", [f"{name}@%"]
        )
        for name in MODELS
    )
    assert sorted(one) == sorted(other)


def test_clusters_count_from_one_by_size(built: DbtProject) -> None:
    sizes = built.query(
        "select cluster_id, count(*) from three where model_id like 'a@%' group by 1 order by 1"
    )
    assert [number for number, _ in sizes] == [1, 2, 3]
    assert sorted((size for _, size in sizes), reverse=True) == [size for _, size in sizes]


def test_equal_data_gives_equal_clusters(built: DbtProject) -> None:
    assert difference(built, "three", "three_again") == 0


def test_previous_clusters_keep_their_numbers(built: DbtProject) -> None:
    before = dict(built.query("select key, cluster_id from kept where model_id like 'a@%'"))
    built.query("update kept set cluster_id = case cluster_id when 1 then 8 when 2 then 5 else 1 end")
    done = built.dbt("run", "--select", "kept")
    assert done.ok, done.output
    after = dict(built.query("select key, cluster_id from kept where model_id like 'a@%'"))
    assert after == {key: {1: 8, 2: 5, 3: 1}[number] for key, number in before.items()}


def test_where_and_quoted_names(built: DbtProject) -> None:
    assert built.query("select max(key), count(*) from quoted where model_id like 'a@%'") == [(49, 47)]


def test_labels_equal_an_independent_count(built: DbtProject) -> None:
    """Class-based TF-IDF: share of the cluster's words x log(1 + words per cluster / occurrences)."""
    members = built.query("""
        select three.cluster_id, text from three inner join points_int on id = key
        and points_int.model_id = three.model_id where three.model_id like 'a@%'
    """)
    words = {number: Counter[str]() for number, _ in members}
    for number, text in members:
        words[number].update(re.findall(r"[a-z0-9]*[a-z][a-z0-9]*", text))
    everywhere = sum(words.values(), Counter[str]())
    average = sum(everywhere.values()) / len(words)
    for number, terms, size in built.query(
        "select cluster_id, terms, size from labels where model_id like 'a@%'"
    ):
        counts = words[number]
        score = {
            word: round(count / sum(counts.values()) * math.log(1 + average / everywhere[word]), 9)
            for word, count in counts.items()
        }
        assert terms.split(", ") == sorted(score, key=lambda word: (-score[word], word))[:4]
        assert size == sum(1 for other, _ in members if other == number)


TEXTS = [
    "Cannot LOG in2 42 ½ x²", "naïve Cafe\u0301 ÉCLAIR straße, œuvre-d'art", "Привет МИР ё",
    "日本語のテキスト 東京 한국어",
    "שָׁלוֹם עולם מַיִם", "مرحبا بالعالم ١٢٣ كِتَاب", "नमस्ते दुनिया हिन्दी",
    "ภาษาไทย ελληνικά ΑΘΉΝΑ", "I❤\ufe0flove 1\ufe0f\u20e3 👍🏽 x_y",
    "a\u200db 12ab34 3d 𝒜𝓑 𐍈𐌰 ",
]  # fmt: skip


def words_of(text: str) -> list[str]:
    """What RE2 finds with [\\p{L}\\p{N}]*\\p{L}[\\p{L}\\p{M}\\p{N}]* in the lower-case text."""
    lower = text.lower()
    kinds = "".join(unicodedata.category(sign)[0] for sign in lower)
    return [lower[found.start() : found.end()] for found in re.finditer("[LN]*L[LMN]*", kinds)]


def test_words_of_many_scripts(built: DbtProject) -> None:
    built.query("create table texts (id integer, body varchar)")
    built.insert("insert into texts values (?, ?)", list(enumerate(TEXTS)))
    built.write(
        "models/words.sql",
        "{{ config(materialized='table') }}\n{{ samespace.unnest_words('texts', 'body', ['id']) }}",
    )
    done = built.dbt("run", "--select", "words")
    assert done.ok, done.output
    for place, text in enumerate(TEXTS):
        found = sorted(word for (word,) in built.query(f"select word from words where id = {place}"))
        assert found == sorted(words_of(text))


def test_the_example_is_nearest_the_centroid(built: DbtProject) -> None:
    assert built.query("""
        select count(*) from labels as label inner join three as example
            on example.key = label.example_key and example.model_id = label.model_id
            and example.cluster_id = label.cluster_id
        where example.similarity_to_centroid = (
            select max(similarity_to_centroid) from three as member
            where member.cluster_id = label.cluster_id and member.model_id = label.model_id
        )
    """) == [(6,)]


def test_mistakes_are_sentences(built: DbtProject) -> None:
    done = built.dbt("run", "--select", "path:models/errors", "passing")
    assert not done.ok
    for name, (_, sentence) in ERRORS.items():
        assert sentence in done.message(f"bad_{name}"), (name, done.message(f"bad_{name}"))


def test_compile_and_show_run_no_kernel(built: DbtProject) -> None:
    built.query("drop table three_again")
    compiled = built.dbt("compile", "--select", "three_again")
    assert compiled.ok, compiled.output
    assert "__samespace_found" in compiled.output
    shown = built.dbt("show", "--select", "three_again")
    assert "dbt show runs no kernel. Build the model, then show its table." in shown.output


def test_without_the_plugin_the_error_says_what_to_add(built: DbtProject) -> None:
    if built.engine != "duckdb":
        pytest.skip("only dbt-duckdb has plugins")
    built.target["plugins"] = []
    built.configure()
    done = built.dbt("run", "--select", "three")
    del built.target["plugins"]
    built.configure()
    assert "  - module: samespace.duckdb_plugin" in done.message("three")
