"""An HTTP client for each question to a node: its credentials, its certificates, its connections and nobody else's.

Here: how a node is connected to. What it may be shown: `credentials.py`; what it is asked: `ask.py`.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

import httpx

from fleexmon_pipeline.collection.fetch import TIMEOUT, FetchError
from fleexmon_pipeline.settings import Node
from fleexmon_pipeline.settings.credentials import Credentials

_NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # knows no authority, so it trusts nobody; httpx's own takes 20-40 ms


class Clients:
    """Makes a client for each answer: the one who asks knows which connection is its own. Threads may share it."""

    def __init__(self) -> None:
        self._contexts: dict[str, ssl.SSLContext] = {}
        self._making = Lock()

    @contextmanager
    def of(self, node: Node) -> Iterator[httpx.Client]:
        """Raises FetchError when the node's certificate files cannot be used."""
        given = node.credentials
        auth = httpx.BasicAuth(given.user, given.password) if given.user and given.password else None
        headers = {"Authorization": f"Bearer {given.token}"} if given.token else {}
        if given.org_id:
            headers["X-Scope-OrgID"] = given.org_id
        encrypted = node.url.startswith("https:")
        with httpx.Client(
            timeout=TIMEOUT,
            follow_redirects=False,
            auth=auth,
            headers=headers,
            verify=self._context_of(node) if encrypted else _NO_TLS,
            trust_env=encrypted or not given.variables,  # a proxy of the environment would read them
        ) as client:
            yield client

    def _context_of(self, node: Node) -> ssl.SSLContext:
        with self._making:
            if node.name not in self._contexts:
                self._contexts[node.name] = _context(node.credentials)
            return self._contexts[node.name]


def _context(given: Credentials) -> ssl.SSLContext:
    """The usual authorities, and BLUE_CA's; BLUE_CLIENT_CERT to show the node."""
    context = httpx.create_ssl_context()
    used = given.ca
    try:
        if given.ca:
            context.load_verify_locations(cafile=given.ca)
        if given.client_cert:
            used = given.client_cert
            context.load_cert_chain(given.client_cert, given.client_key, password="")  # "": never ask on the terminal
    except (OSError, ssl.SSLError) as error:
        raise FetchError(f"{used}: cannot be used: {error}") from None
    return context
