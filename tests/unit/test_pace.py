"""Progress: how far a fill is, and how long it will take."""

from __future__ import annotations

from samespace._pace import Progress


def test_progress_says_how_far_and_how_long(monkeypatch) -> None:
    now = [0.0]
    monkeypatch.setattr("samespace._pace.time.monotonic", lambda: now[0])
    lines: list[str] = []
    progress = Progress("notes: toy@00000000", 1000, 10_000, lines.append)
    for _ in range(10):
        now[0] += 2
        progress.add(100, 1000)
    assert lines == [
        "notes: toy@00000000: 300 of 1,000 texts, 50/s, 14 s left",
        "notes: toy@00000000: 600 of 1,000 texts, 50/s, 8 s left",
        "notes: toy@00000000: 900 of 1,000 texts, 50/s, 2 s left",
    ]
