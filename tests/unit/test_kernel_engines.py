"""Every engine gives the rows of brute force in float64, near the threshold too; work is counted."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from kernel_cases import blobs
from kernel_engines import ENGINES, every_engine, use
from numpy.typing import NDArray
from samespace.errors import KernelError
from samespace.kernels import _engines, _sketch, groups, pairs, top_k
from samespace.kernels._cpu import has_bf16_units
from samespace.kernels._gemm import NumpyEngine, Scorer, slack
from samespace.kernels._settings import Settings, needed
from samespace.kernels._vectors import Vectors, exact_similarity, round_similarity

Matrix = NDArray[np.float32]
Rows = NDArray[np.int64]
THRESHOLDS = [0.8, 0.85, 0.9, 0.95, 0.99]


def exact(matrix: Matrix) -> NDArray[np.float64]:
    """All rounded cosines in float64."""
    rows = matrix.astype(np.float64)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return round_similarity(np.clip(rows @ rows.T, -1, 1))


def brute(matrix: Matrix, threshold: float) -> set[tuple[int, int]]:
    left, right = np.nonzero(np.triu(exact(matrix) >= threshold, 1))
    return set(zip(left.tolist(), right.tolist(), strict=True))


def at_the_edge(threshold: float) -> Matrix:
    """Pairs whose cosine is the threshold give or take some millionths, in random directions."""
    draw = np.random.default_rng(int(threshold * 100))
    rows = []
    for step in range(-8, 9):
        one, other = np.linalg.qr(draw.normal(size=(384, 2)))[0].T
        wanted = threshold + step * 1e-6
        rows += [one, wanted * one + np.sqrt(1 - wanted**2) * other]
    return np.array(rows, dtype=np.float32)


def rounded_alike(threshold: float) -> tuple[Matrix, float]:
    """Vectors whose every number loses the same share in bfloat16, and the cosine nearest to the threshold
    that two of them have: the products of the rounded vectors all miss to one side, by up to 2**-7."""
    scaled = {d: 2 ** (np.ceil(np.log2(np.sqrt(d))) + 7) / np.sqrt(d) for d in range(90, 400)}
    halves = {d: abs(number % 1 - 0.5) for d, number in scaled.items()}
    dimension = min(halves, key=lambda d: halves[d])
    flips = round((1 - threshold) * dimension / 2)
    rows = np.ones((40, dimension), dtype=np.float32)
    draw = np.random.default_rng(0)
    for row in rows[1:]:
        row[draw.permutation(dimension)[: flips + draw.integers(-1, 2)]] = -1
    return rows, float(round_similarity(np.array([1 - 2 * flips / dimension]))[0])


def clustered(threshold: float) -> Matrix:
    """Many rows about as similar as the threshold, and copies."""
    matrix = blobs(300, 96, 5, float(np.sqrt((1 - threshold) * 0.9)), seed=4)
    matrix[20:23] = matrix[7]
    return np.concatenate([matrix, 5 * matrix[:9]])


@every_engine
@pytest.mark.parametrize("threshold", THRESHOLDS)
def test_pairs_are_those_of_float64(name: str, threshold: float, monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, name, tall=48, wide=32)
    alike, cosine = rounded_alike(threshold)
    edge, crowd = at_the_edge(threshold), clustered(threshold)
    for matrix, limit in ((edge, threshold), (alike, cosine), (crowd, threshold)):
        found = pairs.pairs(matrix, limit)
        columns = [found.column(column).to_pylist() for column in ("left_row", "right_row")]
        expected = brute(matrix, limit)
        assert expected
        assert set(zip(*columns, strict=True)) == expected


@every_engine
@pytest.mark.parametrize("threshold", [0.8, 0.9, 0.99])
def test_groups_and_neighbours_do_not_depend_on_the_engine(
    name: str, threshold: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    matrix = np.concatenate([clustered(threshold), blobs(500, 96, 400, 0.5, seed=2)])

    def answers() -> list[object]:
        near = top_k.top_k(matrix, k=7), top_k.top_k(matrix, matrix[:40], k=90)
        return [groups.groups(matrix, threshold), *near]

    use(monkeypatch, "numpy fp32")
    expected = answers()
    use(monkeypatch, name, tall=80, wide=48)
    assert answers() == expected


@every_engine
def test_sketches_lose_nothing(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows near few directions, so that 64 numbers of 96 say nearly all; a pair sits at the threshold."""
    draw = np.random.default_rng(5)
    middle = draw.normal(size=(700, 30)) @ draw.normal(size=(30, 96)) + 0.05 * draw.normal(size=(700, 96))
    noise = 0.04 * np.linalg.norm(middle[0]) * draw.normal(size=(200, 96))
    near = np.concatenate([middle, middle[:200] + noise])
    matrix = (near / np.linalg.norm(near, axis=1, keepdims=True)).astype(np.float32)
    threshold = float(np.sort(exact(matrix)[np.triu_indices(900, 1)])[-150])
    use(monkeypatch, "numpy fp32")
    expected = [pairs.pairs(matrix, threshold), groups.groups(matrix, threshold)]
    made: list[object] = []
    real = _sketch.sketch

    def spy(*arguments: object) -> object:
        made.append(real(*arguments))  # type: ignore[arg-type]
        return made[-1]

    monkeypatch.setattr(_sketch, "WORTH", 0)
    monkeypatch.setattr(pairs, "sketch", spy)
    engines = use(monkeypatch, name, tall=80, wide=48)
    monkeypatch.setattr(_sketch, "LOOK", 0.0)
    assert [pairs.pairs(matrix, threshold), groups.groups(matrix, threshold)] == expected
    assert all(made) and len(made) == len(engines) == 2
    assert expected[0].num_rows == 150


@every_engine
def test_the_slack_bounds_what_a_product_misses(name: str) -> None:
    engine = ENGINES[name]()
    for matrix in (rounded_alike(0.9)[0], blobs(64, 384, 8, 0.4), 7 * blobs(50, 33, 3, 0.2)):
        vectors = Vectors.of(matrix)
        side, everything = engine.side(vectors), slice(0, len(vectors))
        scorer = engine.scorer(0)
        scorer.load(side, everything, side, everything)
        product = scorer.scores(scorer.all_codes()[: len(vectors)]).astype(np.float64)
        missed = np.abs(product - exact(matrix))
        assert (missed <= slack(side, everything, side, everything) + engine.rounding * np.abs(product)).all()


def test_each_pair_is_compared_once(monkeypatch: pytest.MonkeyPatch) -> None:
    matrix = blobs(2000, 32, 2000, 0.5)
    for run in (lambda: pairs.pairs(matrix, 0.99), lambda: groups.groups(matrix, 0.99)):
        made = use(monkeypatch, "numpy fp32", tall=128, wide=32)
        run()
        half = 2000 * 1999 / 2
        assert half <= made[0].pairs <= 1.1 * half


def test_equal_vectors_are_compared_once(monkeypatch: pytest.MonkeyPatch) -> None:
    matrix = np.repeat(blobs(200, 32, 200, 0.5), 10, axis=0)
    made = use(monkeypatch, "numpy fp32", tall=32, wide=32)
    assert pairs.pairs(matrix, 0.99).num_rows == 200 * 45
    assert made[0].pairs <= 200 * 200


@every_engine
def test_few_pairs_are_looked_at_in_float64(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    looked_at = 0

    def counting(*arguments: object) -> object:
        nonlocal looked_at
        looked_at += len(arguments[1])  # type: ignore[arg-type]
        return exact_similarity(*arguments)  # type: ignore[arg-type]

    for module in (pairs, top_k):
        monkeypatch.setattr(module, "exact_similarity", counting)
    use(monkeypatch, name, tall=256, wide=128)
    matrix = blobs(1500, 384, 1500, 0.5)
    assert pairs.pairs(matrix, 0.9).num_rows == looked_at == 0
    top_k.top_k(matrix, matrix[:200] + 0.01, k=10)
    assert looked_at <= 200 * 10 * 6


def test_templated_rows_cost_few_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 1,000 rows around one direction, about as similar as the threshold, each meets heads only."""
    looked_at = 0
    matrix = blobs(1000, 64, 1, 0.35, seed=3)
    use(monkeypatch, "torch bf16", tall=256, wide=128)
    compared = groups.Compared.exact

    def counting(self: groups.Compared, left: Rows, right: Rows) -> NDArray[np.float64]:
        nonlocal looked_at
        looked_at += len(left)
        return compared(self, left, right)

    monkeypatch.setattr(groups.Compared, "exact", counting)
    groups.groups(matrix, 0.9)
    assert looked_at < 40 * 1000 < 1000 * 999 / 2


def test_auto_takes_bf16_only_with_the_units(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_engines, "_device", lambda: "cpu")
    monkeypatch.setattr(_engines, "has_nvidia", lambda: False)
    for units, chosen in ((True, "torch bf16"), (False, "numpy fp32")):
        monkeypatch.setattr(_engines, "has_bf16_units", lambda units=units: units)
        assert _engines.choose(Settings(), 1e13, 1000, 384).name == chosen
    monkeypatch.setattr(_engines, "has_bf16_units", lambda: True)
    assert _engines.choose(Settings(precision="fp32"), 1e13, 1000, 384).name == "numpy fp32"
    assert _engines.choose(Settings(precision="fp32", threads=2), 1e13, 1000, 384).name == "torch fp32"
    assert _engines.choose(Settings(precision="bf16"), 1.0, 10, 4).name == "torch bf16"
    tight = needed(10**6, 384) + 10**8
    assert _engines.choose(Settings(memory=tight), 1e15, 10**6, 384).name == "torch fp32"


def test_without_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_engines, "find_spec", lambda _: None)
    assert isinstance(_engines.choose(Settings(), 1e15, 10, 4), NumpyEngine)
    with pytest.raises(KernelError, match="needs the Python package torch"):
        _engines.choose(Settings(precision="bf16"), 1.0, 10, 4)


def test_the_units_can_be_denied(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    cpuinfo = tmp_path / "cpuinfo"  # type: ignore[operator]
    cpuinfo.write_text("processor : 0\nflags : fpu avx2 amx_bf16\n")
    monkeypatch.delenv("SAMESPACE_NO_BF16", raising=False)
    assert has_bf16_units(cpuinfo)
    monkeypatch.setenv("SAMESPACE_NO_BF16", "1")
    assert not has_bf16_units(cpuinfo)


def test_memory_is_asked_for_before_anything_is_compared() -> None:
    with pytest.raises(KernelError, match=r"1,000 rows of 384 numbers need.*memory is 0.0 GiB.*where="):
        pairs.pairs(blobs(1000, 384, 3, 0.1), 0.9, settings=Settings(memory=10**6))
    assert needed(10**6, 384, copy=2, threads=2) < 3 * 1024**3


def test_settings_are_parsed() -> None:
    parsed = Settings.of({"precision": "bf16", "memory": "512 MiB", "threads": 3})
    assert parsed == Settings("bf16", 512 * 1024**2, 3)
    assert Settings.of(None) == Settings.of({"threads": "auto", "memory": "4 GiB"}) == Settings()


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"precison": "fp32"}, "has precison; it takes precision, memory, threads"),
        ({"precision": "int8"}, "precision is 'int8'; pass auto, fp32 or bf16"),
        ({"memory": "much"}, "memory is 'much'; pass a size such as '4 GiB'"),
        ({"memory": "0 GiB"}, "memory is '0 GiB'"),
        ({"threads": 0}, "threads is '0'; pass auto or a whole number from 1"),
        ({"threads": True}, "threads is 'True'"),
    ],
)
def test_wrong_settings_are_sentences(given: dict[str, object], sentence: str) -> None:
    with pytest.raises(KernelError, match=sentence):
        Settings.of(given)


def test_threads_of_torch_come_back() -> None:
    import torch

    before = torch.get_num_threads()
    with _engines.engine_for(Settings(precision="bf16"), 1.0, 10, 4):
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == before


def test_what_fails_in_a_thread_fails_where_it_is_read() -> None:
    def work(_: Scorer, job: int) -> Iterator[int]:
        if job == 50:
            raise KernelError("job 50")
        yield job

    engine = ENGINES["torch bf16, 2 threads"]()
    with pytest.raises(KernelError, match="job 50"):
        list(_engines.spread(engine, range(10_000), work))
    assert sorted(_engines.spread(engine, range(40), work)) == list(range(40))


def test_nobody_reads_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """Too many pairs stop the threads too."""
    use(monkeypatch, "torch bf16, 2 threads", tall=32, wide=16)
    with pytest.raises(KernelError, match="max_pairs is 1,000"):
        pairs.pairs(blobs(900, 16, 3, 0.05), 0.5, max_pairs=1000)
