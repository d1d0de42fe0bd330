"""The process that tests fork dbt from: it has imported and parsed what every dbt of the tests needs.

A script: ``dbt_server.py <socket> <pid>`` listens on the socket for as long as that process lives. A call is
a line of JSON (arguments, cwd, env, output); the answer is a line with the pid of the dbt, and one with its
exit code when it has ended.
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import signal
import socket
import sys
import threading
import traceback
from contextlib import suppress
from pathlib import Path
from typing import Any

import dbt_ahead


def serve(address: Path, owner: int) -> None:
    """Fork one dbt after the other."""
    dbt_ahead.prepare()
    # Children then copy fewer pages, and do not look through what never becomes garbage.
    gc.collect()
    gc.freeze()
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(f"{address}.new")
    listener.listen(64)
    listener.settimeout(1.0)
    # There only once it answers: whoever waits for the file can connect.
    os.rename(f"{address}.new", address)
    while _lives(owner):
        _collect_ended()
        try:
            connection = listener.accept()[0]
        except TimeoutError:
            continue
        if os.fork() == 0:
            listener.close()
            _attend(connection)
        connection.close()


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except OSError:
        return False
    return True


def _collect_ended() -> None:
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _attend(connection: socket.socket) -> None:
    """Be the parent of one dbt, so that there is someone to say how it ended."""
    code = 1
    try:
        connection.settimeout(None)
        with connection.makefile("rw") as channel:
            call = json.loads(channel.readline())
            child = os.fork()
            if child == 0:
                os.close(connection.fileno())
                _become_dbt(call)
            print(child, file=channel, flush=True)
            ended = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            print(ended, file=channel, flush=True)
            code = 0
    except OSError:
        # The test is gone.
        traceback.print_exc()
    finally:
        os._exit(code)


def _become_dbt(call: dict[str, Any]) -> None:
    code = 1
    try:
        # A shell that starts the tests in the background has SIGINT ignored, and children inherit that.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        os.chdir(call["cwd"])
        os.environ.clear()
        os.environ.update(call["env"])
        dbt_ahead.look_for_secrets_once()
        # What a fresh interpreter does with PYTHONPATH; the folder of this script is not on a dbt's path.
        sys.path[0:1] = [part for part in call["env"].get("PYTHONPATH", "").split(os.pathsep) if part]
        file = os.open(call["output"], os.O_WRONLY)
        nothing = os.open(os.devnull, os.O_RDONLY)
        for source, target in ((nothing, 0), (file, 1), (file, 2)):
            os.dup2(source, target)
        sys.argv = ["dbt", *call["arguments"]]
        from dbt.cli.main import cli

        cli()
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    except BaseException:  # noqa: BLE001  # what an interpreter prints before it ends
        traceback.print_exc()
    finally:
        # As at the end of an interpreter: its threads end, and what was left for then is run (DuckDB closes
        # its file there). It is not taken down, because that ends the threads of libraries which live in
        # the parent.
        threading._shutdown()
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    serve(Path(sys.argv[1]), int(sys.argv[2]))
