"""The owner of the embedded server's processes and files: the current user, or `nobody` if that is root."""

from __future__ import annotations

import os
import pwd
import shutil
from pathlib import Path

from fleexmon_pipeline.errors import FleexmonError


class EmbeddedServerError(FleexmonError, RuntimeError):
    """The embedded server cannot be created or started. The text has the reason and the path of its log."""


# PostgreSQL refuses to run as root, the user of many containers. It then runs as `nobody`, with the one capability that
# gives it access to root's home directory; no directory's permissions are changed.
_ROOTS_SERVER_USER = "nobody"


def as_server_user() -> list[str]:
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


def owner() -> int:
    """The id of the user that the server runs as."""
    return pwd.getpwnam(_ROOTS_SERVER_USER).pw_uid if os.geteuid() == 0 else os.geteuid()


def give_to_server(path: Path) -> None:
    """Make it readable by the server's user only. Refuses another user's file, since anyone can write to /tmp."""
    if path.is_symlink() or path.lstat().st_uid not in (os.geteuid(), owner()):
        raise foreign_owner(path)
    os.chown(path, owner(), -1)
    path.chmod(0o700 if path.is_dir() else 0o600)


def foreign_owner(path: Path) -> EmbeddedServerError:
    return EmbeddedServerError(f"{path} belongs to another user; remove it or set FLEEXMON_HOME to another directory")
