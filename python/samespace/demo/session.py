"""Run dbt commands one after the other in one process, so that its start is paid once.

    python -m samespace.demo.session '[["build"], ["show", "--inline", "..."]]'

dbt logs JSON lines to standard output; after each command comes one line of ours that closes it.
"""

from __future__ import annotations

import json
import sys

END = "samespace.demo.end"


def main(commands: list[list[str]]) -> int:
    from dbt.cli.main import dbtRunner

    for command in commands:
        done = dbtRunner().invoke(["--log-format", "json", "--log-level", "info", *command])
        error = str(done.exception) if done.exception else ""
        sys.stdout.write(json.dumps({END: {"ok": bool(done.success), "error": error}}) + "\n")
        sys.stdout.flush()
        if not done.success and command[0] != "show":
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(json.loads(sys.argv[1])))
