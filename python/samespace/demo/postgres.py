"""``python -m samespace.demo.postgres [COMMAND ...]``: run a command while the demo's PostgreSQL runs.

Without a command it is psql, with what the variable SQL holds or as a prompt. The server is started, and
stopped at the end; ``dbt`` (with the profiles.yml of the repository), ``psql`` and ``pg_dump`` find it.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from samespace.demo.places import DATABASE, PostgresSchema, environment, postgres_folder
from samespace.demo.screen import complain, say
from samespace.demo.server import running
from samespace.errors import SamespaceError

MODULE = "samespace.demo.postgres"


def main(command: list[str]) -> int:
    """The command's exit code; 1 after an error that was printed."""
    try:
        with running(postgres_folder(), DATABASE) as server:
            sql = os.environ.get("SQL")
            if not command and sys.stdin.isatty() and not sql:
                say(f"Other programs reach it as long as this is open: {server.url(DATABASE)}\n")
            chosen = command or ["psql", "-X", "-P", "pager=off", *(["-c", sql] if sql else [])]
            own = [str(Path(sys.executable).parent), str(server.handle.binaries), os.environ.get("PATH", "")]
            found = {**environment(server), "PATH": os.pathsep.join(filter(None, own))}
            return subprocess.run(chosen, env={**os.environ, **found}, check=False).returncode
    except SamespaceError as error:
        complain(str(error))
        return 1
    except FileNotFoundError as error:
        complain(f"There is no program {error.filename}.")
        return 1
    except KeyboardInterrupt:
        return 130


def psql_lines(place: PostgresSchema, sql: str) -> list[str]:
    """How to look at the tables after the demo."""
    return [
        "  plain SQL, no Python (the server is stopped; these start it, and stop it when you leave):",
        "    make psql",
        f'    make psql SQL="{sql}"',
        "  any other client, while make psql is open in a terminal:",
        f"    {place.server.url(DATABASE)}",
    ]


def with_server(folder: Path) -> str:
    """How to run a command with the server from a folder."""
    own = Path(sys.prefix) != Path(sys.base_prefix)
    return f"{os.path.relpath(sys.executable, folder) if own else 'python'} -m {MODULE}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
