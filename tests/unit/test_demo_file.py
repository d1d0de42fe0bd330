"""The demo on a file of the user, and again with questions, on every target."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import pytest
from demo_process import Demo, outside, starter
from harness import REPO
from samespace.demo.places import TARGETS

pytestmark = [pytest.mark.slow, pytest.mark.real_model]


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with outside() as made:
        yield made


@pytest.fixture(params=TARGETS)
def demo(folder: Path, request: pytest.FixtureRequest) -> Demo:
    start = starter(folder)
    return lambda *arguments: start("-m", "samespace.demo", "--target", str(request.param), *arguments)


def test_a_file_of_the_user(demo: Demo, folder: Path) -> None:
    with (REPO / "seeds" / "demo" / "support_tickets.csv").open(encoding="utf-8", newline="") as handle:
        tickets = list(csv.DictReader(handle))[:80]
    file = folder / "my tickets.csv"
    with file.open("w", encoding="utf-8", newline="") as handle:
        writer = csv.writer(handle)
        writer.writerow(["Ticket", "Message"])
        writer.writerows([f"T-{ticket['ticket_id']}", ticket["body"]] for ticket in tickets)
        writer.writerow(["T-x", "a text with {{ braces }}, 'quotes' and \"more\" 漢字 🙂"])
    wish = ["--csv", str(file), "--key", "ticket", "--text", "message", "--folder", str(folder)]
    done = demo(*wish)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "81 rows" in done.stdout
    assert "3  Clusters: k = 6," in done.stdout
    assert done.stdout.count("rank  similarity  Ticket") == 3
    asked = demo(*wish, "--query", "I can't sign in", "--query", "where is my parcel?")
    assert asked.returncode == 0, asked.stdout + asked.stderr
    assert '"I can\'t sign in"' in asked.stdout
    assert "Nothing new" in asked.stdout
