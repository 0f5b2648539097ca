"""An HTTP client per request to a node, with that node's credentials, certificates and connections only.

Here: how to connect. Which credentials a node may see: `credentials.py`; what is requested: `ask.py`.
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

_NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # no authorities, so it trusts nobody; httpx's own takes 20 to 40 ms


class Clients:
    """Creates a client per answer, so that the caller knows its own connection. Threads may share a Clients."""

    def __init__(self) -> None:
        self._contexts: dict[str, ssl.SSLContext] = {}
        self._making = Lock()

    @contextmanager
    def of(self, node: Node) -> Iterator[httpx.Client]:
        """Raises FetchError if the node's certificate files are unusable."""
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
            transport=httpx.HTTPTransport(uds=node.socket) if node.socket else None,
            verify=self._context_of(node) if encrypted else _NO_TLS,
            trust_env=encrypted or not given.variables,  # a proxy from the environment would see the credentials
        ) as client:
            yield client

    def _context_of(self, node: Node) -> ssl.SSLContext:
        with self._making:
            if node.name not in self._contexts:
                self._contexts[node.name] = _context(node.credentials)
            return self._contexts[node.name]


def _context(given: Credentials) -> ssl.SSLContext:
    """Trusts the default authorities and BLUE_CA; presents BLUE_CLIENT_CERT."""
    context = httpx.create_ssl_context()
    file = given.ca
    try:
        if given.ca:
            context.load_verify_locations(cafile=given.ca)
        if given.client_cert:
            file = given.client_cert
            context.load_cert_chain(given.client_cert, given.client_key, password="")  # "": never prompt
    except (OSError, ssl.SSLError) as error:
        raise FetchError(f"{file}: cannot be used: {error}") from None
    return context
