"""A PostgreSQL server that a test may stop, and looks at what goes on in one."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from faults.processes import Slow
from samespace.demo.server import start

# Committed means written here: the test stops the server without a word.
SETTINGS = {"max_connections": "20", "fsync": "off"}
OTHERS = (
    "from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid() "
    "and application_name = 'dbt'"
)


@dataclass(frozen=True)
class OwnServer:
    """An embedded server with the means to stop it at once and to start it again."""

    host: Any

    @classmethod
    def begin(cls, folder: Path) -> OwnServer:
        return cls(start(folder / "data", settings=SETTINGS))

    def stop_at_once(self) -> None:
        """As after a power cut: nothing is written any more, sessions are not told."""
        self.host.handle.stop("immediate")
        self.host.stop()

    def start_again(self) -> None:
        self.host.handle.enter({})


def sessions(slow: Slow) -> int:
    """How many sessions of dbt the database has (not those of this test, which take a while to end)."""
    return int(slow.project.query(f"select count(*) {OTHERS}")[0][0])


def end_sessions(slow: Slow) -> int:
    """pg_terminate_backend, as an administrator would; how many sessions were ended."""
    return len(slow.project.query(f"select pg_terminate_backend(pid) {OTHERS}"))


def running(slow: Slow, sql: str) -> bool:
    """Whether a session is busy with a statement that contains this text."""
    return bool(slow.project.query(f"select 1 {OTHERS} and state = 'active' and query like ?", [f"%{sql}%"]))


def until(condition: Callable[[], bool], seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.05)


def own_locks(slow: Slow) -> list[tuple[Any, ...]]:
    """Advisory locks that somebody holds on the database."""
    return slow.project.query(
        "select pid, objid from pg_locks where locktype = 'advisory' "
        "and database = (select oid from pg_database where datname = current_database())"
    )
