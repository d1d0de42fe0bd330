"""The pump on a store in memory: what is kept, retried, refused and said."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from pump_parts import JOB, Held, Store, Toy
from samespace import pump
from samespace._job import Page
from samespace._pace import Pace
from samespace.errors import CanaryError, EncoderError, TransientEncoderError
from samespace.pump import fill


def texts(count: int) -> list[str]:
    return [f"text {number:05d}" for number in range(count)]


def run(store: Store, encoder: Toy, stopped: threading.Event | None = None, log=lambda line: None):
    return fill(JOB, store, lambda spec, prove=None: encoder, log, stopped or threading.Event())[0]


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch) -> None:
    monkeypatch.setattr(pump, "RETRY_SECONDS", (0.001, 0.001, 0.001))


def test_every_text_is_embedded_once_and_a_second_fill_loads_nothing() -> None:
    store, encoder = Store(texts(2500)), Toy()
    done = run(store, encoder)
    assert sorted(store.kept) == texts(2500)
    assert sum(map(len, encoder.calls)) == 2500
    assert (done.distinct_texts, done.embedded, done.tokens, done.engine) == (2500, 2500, 25000, "toy")
    again = fill(JOB, store, lambda spec, prove=None: pytest.fail("loaded"), print, threading.Event())[0]
    assert (again.embedded, again.tokens, again.engine) == (0, None, None)


def test_calls_grow_to_whole_pages_and_each_is_written() -> None:
    store, encoder = Store(texts(3000)), Toy()
    run(store, encoder)
    assert [len(call) for call in encoder.calls] == store.writes
    assert store.writes[0] == Pace.FIRST
    assert store.writes[-1] == 1000


@pytest.mark.parametrize("count", [0, 1, 1535, 1536, 16_384])
def test_laps_hold_every_text_once_and_all_lengths_each(count) -> None:
    longest_first = [f"{number:05d}" for number in range(count)]
    page = Page(longest_first, longest_first).in_laps()
    assert page.hashes == page.texts
    assert sorted(page.texts) == longest_first
    starts = [place for place in range(1, count) if page.texts[place] < page.texts[place - 1]]
    assert len(starts) == max(1, round(count / 1024)) - 1
    for start in starts:
        assert page.texts[start] <= f"{len(starts):05d}"


def test_pace_follows_the_clock() -> None:
    pace = Pace()
    pace.took(16, 0.01)
    assert pace.texts == 128
    pace.took(128, 12.8)
    assert pace.texts == 10
    pace.took(10, 100.0)
    assert pace.texts == Pace.LEAST
    pace.too_many(8)
    pace.took(4, 0.001)
    assert pace.texts == 4


def test_memory_is_found_by_halving_and_remembered() -> None:
    def small(values: list[str]):
        if len(values) > 10:
            raise MemoryError

    store, encoder = Store(texts(300)), Toy(small)
    run(store, encoder)
    assert len(store.kept) == 300
    assert max(store.writes) <= 10
    assert sum(len(call) > 10 for call in encoder.calls) == 1


class OutOfMemoryError(RuntimeError):
    """Called as torch calls its own."""


@pytest.mark.parametrize("error", [MemoryError(), OutOfMemoryError("CUDA out of memory\nTried to allocate")])
def test_one_text_that_does_not_fit_is_named(error) -> None:
    def happens(values: list[str]):
        if "text 00040" in values:
            raise error

    store = Store(texts(100))
    with pytest.raises(
        EncoderError, match="ran out of memory on the text of notes with id <text 00040>"
    ) as caught:
        run(store, Toy(happens))
    assert "\n" not in str(caught.value)
    assert set(texts(16)) <= set(store.kept) <= set(texts(40))


def test_one_text_that_fails_is_named_and_what_came_before_is_kept() -> None:
    def happens(values: list[str]):
        if "text 00123" in values:
            raise ValueError("no\n  such thing")

    store = Store(texts(200))
    with pytest.raises(EncoderError) as caught:
        run(store, Toy(happens))
    assert str(caught.value) == (
        "samespace: toy@00000000 could not embed the text of notes with id <text 00123>: ValueError: no "
        "such thing. "
        "The table is as it was; the vectors made so far are kept."
    )
    assert set(store.kept) == set(texts(16))


def test_an_encoder_that_always_fails_blames_no_row() -> None:
    def happens(values: list[str]):
        raise EncoderError("samespace: toy@00000000: the key is not valid.")

    encoder = Toy(happens)
    with pytest.raises(
        EncoderError, match=r"could not embed the texts of notes: the key is not valid\. The table"
    ):
        run(Store(texts(200)), encoder)
    assert len(encoder.calls) == 3


def test_what_may_pass_is_tried_again_and_logged() -> None:
    left = [2]
    lines: list[str] = []

    def happens(values: list[str]):
        if left[0]:
            left[0] -= 1
            raise TransientEncoderError("samespace: toy@00000000: the host is away.")

    store = Store(texts(10))
    run(store, Toy(happens), log=lines.append)
    assert len(store.kept) == 10
    assert lines == ["toy@00000000: the host is away; trying again in 0.001 s"] * 2


def test_what_does_not_pass_ends_after_all_tries() -> None:
    def happens(values: list[str]):
        raise TransientEncoderError("away")

    encoder = Toy(happens)
    with pytest.raises(EncoderError, match=r"failed 4 times in a row for notes: away\. The table"):
        run(Store(texts(10)), encoder)
    assert len(encoder.calls) == 4


def test_stopping_keeps_the_call_under_way() -> None:
    stopped = threading.Event()

    def happens(values: list[str]):
        if "text 00020" in values:
            stopped.set()

    store, encoder = Store(texts(5000)), Toy(happens)
    with pytest.raises(EncoderError, match="stopped while embedding with toy@00000000"):
        run(store, encoder, stopped)
    assert len(encoder.calls) == 2
    assert list(store.kept) == [text for call in encoder.calls for text in call]


def test_stopping_ends_a_pause_between_tries(monkeypatch) -> None:
    monkeypatch.setattr(pump, "RETRY_SECONDS", (60.0,))
    stopped = threading.Event()

    def happens(values: list[str]):
        stopped.set()
        raise TransientEncoderError("away")

    with pytest.raises(EncoderError, match="stopped while embedding"):
        run(Store(texts(10)), Toy(happens), stopped)


def test_stopped_before_it_began_loads_no_model() -> None:
    stopped = threading.Event()
    stopped.set()
    with pytest.raises(EncoderError, match="stopped"):
        fill(JOB, Store(texts(3)), lambda spec, prove=None: pytest.fail("loaded"), print, stopped)


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        (np.ones((5, 2)), r"an array of shape \(5, 2\); expected \(5, 3\): one vector per text"),
        (np.ones((4, 3)), r"an array of shape \(4, 3\); expected \(5, 3\)"),
        (np.ones(3), r"an array of shape \(3,\)"),
        (np.array([[1, 1, 1], [1, np.nan, 1]] + [[1, 1, 1]] * 3), "for 1 text.*with id <text 00001>"),
        (np.array([[1, 1, np.inf]] * 2 + [[1, 1, 1]] * 3), "for 2 text.*with id <text 00000>"),
        (np.array([[1, 1, 1]] * 4 + [[0, 0, 0]]), r"only zeros for 1 text\(s\), first for .*<text 00004>"),
        (np.full((5, 3), 1e300), "NaN, infinity"),
    ],
)
def test_vectors_that_may_not_be_stored(rows, sentence) -> None:
    store = Store(texts(5))
    with pytest.raises(EncoderError, match=sentence):
        run(store, Toy(lambda values: rows))
    assert store.kept == {}


def test_vectors_without_a_registration_have_to_be_reproduced() -> None:
    encoder = Toy()

    def gate(spec, prove=None):
        if prove is not None:
            prove(encoder)
        return encoder

    good = Store(texts(3), proof=[("abcd", [4.0, 1.0, 1.0])])
    fill(JOB, good, gate, print, threading.Event())
    assert len(good.kept) == 3
    foreign = Store(texts(3), proof=[("abcd", [1.0, 4.0, 1.0])])
    with pytest.raises(CanaryError, match="the registry has no row of that model"):
        fill(JOB, foreign, gate, print, threading.Event())
    assert foreign.kept == {}


def test_waiting_for_another_run_is_said_once_and_then_now_and_then(monkeypatch) -> None:
    monkeypatch.setattr("samespace._pace.POLL_SECONDS", 0.001)
    store, lines = Store(texts(20)), []
    store.filling = Held(50)
    run(store, Toy(), log=lines.append)
    assert len(store.kept) == 20
    assert lines == ["notes: waiting for another run that fills toy@00000000"]
    monkeypatch.setattr("samespace._pace.WAITING_SECONDS", 0.0)
    store.filling = Held(3)
    run(store, Toy(), log=lines.append)
    assert lines[1:] == [lines[0], *[f"{lines[0]} (0 s)"] * 2]


def test_waiting_lets_other_threads_fill_and_ends_when_stopped() -> None:
    store, stopped = Store(texts(3)), threading.Event()
    store.filling = Held(10**9)
    failed = []

    def wait() -> None:
        with pytest.raises(EncoderError, match="stopped"):
            run(store, Toy(), stopped)
        failed.append(True)

    thread = threading.Thread(target=wait)
    thread.start()
    other = Store(texts(100))
    run(other, Toy())
    assert len(other.kept) == 100 and not failed
    stopped.set()
    thread.join(10)
    assert failed == [True] and store.kept == {}
