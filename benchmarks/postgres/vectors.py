"""Vectors for the scripts of this folder: those of real texts, and more of their kind."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from common import corpus
from common.dbt_project import Project
from common.postgres import fresh_server, load, machine
from searching import BUILD

__all__ = ["BUILD", "Project", "fresh_server", "load", "machine", "more_of", "real_vectors"]


def real_vectors(rows: int = 50_000) -> NDArray[np.float32]:
    """Vectors of distinct real texts by all-MiniLM-L6-v2, float32 [rows, 384]."""
    return corpus.vectors(min(rows, corpus.available()))


def more_of(matrix: NDArray[np.float32], rows: int) -> NDArray[np.float32]:
    """``rows`` unit vectors: the given ones, then noisy copies of them (cosine to the original near 0.9)."""
    return corpus.grown_from(matrix, rows)
