"""dbt in a process of its own, forked from one that has loaded and parsed ahead: most of what a call costs.

That process (dbt_server.py) is started by the first call and shared by all processes of one pytest run.
"""

from __future__ import annotations

import fcntl
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
import weakref
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest_run

SERVER = Path(__file__).with_name("dbt_server.py")
SOURCE = SERVER.parents[1] / "python"


class Dbt:
    """A running dbt, with the methods of subprocess.Popen that tests use; its pid is a pid to kill."""

    def __init__(self, arguments: list[str], cwd: Path, env: dict[str, str]) -> None:
        self.args = ["dbt", *arguments]
        handle, name = tempfile.mkstemp(prefix="dbt-", suffix=".log")
        os.close(handle)
        self._output = Path(name)
        weakref.finalize(self, self._output.unlink, missing_ok=True)
        self._connection = _connected()
        call = {"arguments": arguments, "cwd": str(cwd), "env": env, "output": name}
        self._connection.sendall((json.dumps(call) + "\n").encode())
        # Not buffered: what has been read ahead would be invisible to select.
        self._answers = self._connection.makefile("rb", buffering=0)
        self.pid = int(self._answers.readline())
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """The exit code (minus the signal that ended it), None while it runs."""
        with suppress(subprocess.TimeoutExpired):
            return self.wait(0)
        return None

    def wait(self, timeout: float | None = None) -> int:
        """The exit code. Raises subprocess.TimeoutExpired; the process goes on."""
        if self.returncode is None:
            if not select.select([self._connection], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired(self.args, timeout or 0, self.printed())
            self.returncode = int(self._answers.readline())
            self._answers.close()
            self._connection.close()
        return self.returncode

    def communicate(self, timeout: float | None = None) -> tuple[str, None]:
        """Wait, then everything printed (standard error is in it)."""
        self.wait(timeout)
        return self.printed(), None

    def printed(self) -> str:
        return self._output.read_text(errors="replace")

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def run_dbt(arguments: list[str], cwd: Path, env: dict[str, str], timeout: float) -> tuple[int, str]:
    """Exit code and everything printed. Raises subprocess.TimeoutExpired; the process is then killed."""
    process = Dbt(arguments, cwd, env)
    try:
        return process.wait(timeout), process.printed()
    except BaseException:
        process.kill()
        process.wait()
        raise


def run_in_new_interpreter(
    arguments: list[str], cwd: Path, env: dict[str, str], timeout: float
) -> tuple[int, str]:
    """The same by the script ``dbt`` itself."""
    command = [str(Path(sys.executable).with_name("dbt")), *arguments]
    done = subprocess.run(
        command, cwd=cwd, env=env, timeout=timeout, check=False, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    return done.returncode, done.stdout


def _connected() -> socket.socket:
    folder = pytest_run.folder()
    address = folder / "dbt.socket"
    if not address.exists():
        with (folder / "dbt.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not address.exists():
                _start(folder, address)
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(str(address))
    return connection


def _start(folder: Path, address: Path) -> None:
    log = folder / "dbt_server.log"
    with log.open("w") as file:
        process: subprocess.Popen[Any] = subprocess.Popen(
            [sys.executable, str(SERVER), str(address), str(pytest_run.owner())],
            stdin=subprocess.DEVNULL, stdout=file, stderr=file, start_new_session=True,
            env={**os.environ, "PYTHONPATH": str(SOURCE)},
        )  # fmt: skip
    while not address.exists():
        if process.poll() is not None:
            raise RuntimeError(f"{SERVER.name} did not start:\n{log.read_text()}")
        time.sleep(0.05)
    # It ends with the pytest run, which may be longer than this process of it.
    process.returncode = 0
