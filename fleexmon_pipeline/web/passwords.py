"""Password hashes for the file of FLEEXMON_LOGIN: scrypt, in the PHC string format.

Here: computing and comparing a hash. The file: `settings/login.py`.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets

# 16 MB of memory and about 0.2 s per guess: parameters that OWASP lists as equivalent to its first choice.
_LOG_N, _R, _P = 14, 8, 5


def hash_password(password: str) -> str:
    salt = secrets.token_bytes(16)
    return f"$scrypt$ln={_LOG_N},r={_R},p={_P}${_text(salt)}${_text(_scrypt(password, salt, _LOG_N, _R, _P))}"


def is_password(password: str, hash_: str) -> bool:
    """Whether the password has this hash, which `settings.password_hashes` has validated."""
    _, _, parameters, salt, expected = hash_.split("$")
    log_n, r, p = (int(part.partition("=")[2]) for part in parameters.split(","))
    return hmac.compare_digest(_scrypt(password, _bytes(salt), log_n, r, p), _bytes(expected))


def _scrypt(password: str, salt: bytes, log_n: int, r: int, p: int) -> bytes:
    needed = 128 * r * (2**log_n + p + 2)
    return hashlib.scrypt(password.encode(), salt=salt, n=2**log_n, r=r, p=p, maxmem=2 * needed, dklen=32)


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode().rstrip("=")


def _bytes(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4))
