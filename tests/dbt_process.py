"""dbt in a process of its own, forked from one that has imported dbt already: most of what a call costs.

Run as a script this is that process. It reads one call per line from its standard input (JSON: arguments,
cwd, env, output, timeout), forks, and answers with the exit code of the child when the child has ended.
"""

from __future__ import annotations

import atexit
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from pathlib import Path
from typing import Any

SOURCE = Path(__file__).resolve().parents[1] / "python"
WARM = ["dbt.cli.main", "dbt.adapters.duckdb", "dbt.adapters.pgvector", "dbt.adapters.postgres"]
_idle: list[subprocess.Popen[str]] = []
_lock = threading.Lock()


def run_dbt(arguments: list[str], cwd: Path, env: dict[str, str], timeout: float) -> tuple[int, str]:
    """Exit code and everything printed. Raises subprocess.TimeoutExpired; then the child has been killed."""
    with _lock:
        warm = _idle.pop() if _idle else _start()
    with tempfile.NamedTemporaryFile(prefix="dbt-", suffix=".log") as output:
        call = {
            "arguments": arguments, "cwd": str(cwd), "env": env, "output": output.name, "timeout": timeout,
        }  # fmt: skip
        warm.stdin.write(json.dumps(call) + "\n")
        warm.stdin.flush()
        answer = json.loads(warm.stdout.readline())
        with _lock:
            _idle.append(warm)
        printed = Path(output.name).read_text(errors="replace")
    if answer["late"]:
        raise subprocess.TimeoutExpired(["dbt", *arguments], timeout, printed)
    return answer["code"], printed


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


def _start() -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, __file__], text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(SOURCE)},
    )  # fmt: skip
    atexit.register(process.kill)
    return process


def serve() -> None:
    """Fork one dbt after the other."""
    for module in WARM:
        __import__(module)
    for line in sys.stdin:
        call = json.loads(line)
        child = os.fork()
        if child == 0:
            _become_dbt(call)
        code, late = _wait(child, call["timeout"])
        print(json.dumps({"code": code, "late": late}), flush=True)


def _wait(child: int, timeout: float) -> tuple[int, bool]:
    deadline, late = time.monotonic() + timeout, False
    while True:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status), late
        if time.monotonic() > deadline and not late:
            late = True
            os.kill(child, signal.SIGKILL)
        time.sleep(0.01)


def _become_dbt(call: dict[str, Any]) -> None:
    os.chdir(call["cwd"])
    os.environ.clear()
    os.environ.update(call["env"])
    # What a fresh interpreter does with PYTHONPATH; the folder of this script is not on a dbt's path.
    sys.path[0:1] = [part for part in call["env"].get("PYTHONPATH", "").split(os.pathsep) if part]
    file = os.open(call["output"], os.O_WRONLY)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((nothing, 0), (file, 1), (file, 2)):
        os.dup2(source, target)
    sys.argv, code = ["dbt", *call["arguments"]], 1
    try:
        from dbt.cli.main import cli

        cli()
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    except BaseException:  # noqa: BLE001  # what an interpreter prints before it ends
        traceback.print_exc()
    finally:
        # What dbt leaves for the end (DuckDB closes its file there) is run; the interpreter itself is not
        # taken down, because that ends the threads of libraries which live in the parent.
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    serve()
