"""The watched nodes: BLUE_HOST, GREEN_HOST, LOG_SOURCES, FLEEXMON_NODES, else the demo's; and their limits.

Here: turning settings into URLs to poll. Tokens and certificates: `credentials.py`; files: `node_files.py`.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal
from urllib.parse import quote, unquote, urlsplit

from fleexmon_pipeline.encoding import DEFAULT_LIMITS, Limits
from fleexmon_pipeline.settings.credentials import NONE, Credentials, credentials, prefix_of, refuse_shared_prefixes
from fleexmon_pipeline.settings.node_files import VARIABLE, file_nodes
from fleexmon_pipeline.settings.values import (
    BASE_URL,
    Environment,
    SettingError,
    address_of,
    base_url,
    is_host,
    is_loopback,
    shown,
    whole_number,
)
from fleexmon_pipeline.settings.variables import home, ui_port

NODE_EXAMPLES = ("10.0.0.5", "10.0.0.5:8080", "https://blue.example.com")
LOKI_EXAMPLE = 'loki+https://loki.example.com?query={app="shop"}'
DOCKER_EXAMPLES = ("docker+unix:///var/run/docker.sock?container=shop", "docker+https://10.0.0.5:2376?container=shop")
NAMED_EXAMPLE = "worker-1=10.0.0.7,worker-2=https://w2.example.com"
SOURCE_EXAMPLES = (*NODE_EXAMPLES, "journal+http://10.0.0.5:19531", LOKI_EXAMPLE, *DOCKER_EXAMPLES)
MAX_SOCKET_BYTES = 107  # of a Unix socket's path, in Linux
Kind = Literal["api", "journal", "loki", "docker"]
TRANSPORTS = {"journal": ("http", "https"), "loki": ("http", "https"), "docker": ("http", "https", "unix")}


@dataclass(frozen=True)
class Node:
    """A machine that serves its log lines, or a store that has them."""

    name: str  # its identity: a renamed node is a new node
    url: str  # to poll: http://10.0.0.5:3000/api/logs
    hostname: str  # LogEntry.hostname: the host as the operator wrote it, without port
    kind: Kind = "api"
    credentials: Credentials = field(default=NONE, repr=False)
    limits: Limits = DEFAULT_LIMITS
    socket: str | None = None  # path of a Unix socket to request the URL from; then its host is "localhost"
    labels: Mapping[str, str] = field(default_factory=dict, hash=False)  # from FLEEXMON_NODES
    variable: str = field(default="", compare=False)  # that defines the node, to show

    @property
    def address(self) -> str:
        """The polled address, to show."""
        return f"unix://{self.socket}:{urlsplit(self.url).path}" if self.socket else self.url


def limits(environment: Environment = os.environ) -> Limits:
    """FLEEXMON_MAX_ANSWER_BYTES, FLEEXMON_MAX_ANSWER_SECONDS, FLEEXMON_MAX_RECORD_BYTES and FLEEXMON_MAX_RATIO."""
    default = Limits()
    return Limits(
        whole_number(environment, "FLEEXMON_MAX_ANSWER_BYTES", default.answer_bytes, least=1_000_000, most=10**12),
        whole_number(environment, "FLEEXMON_MAX_ANSWER_SECONDS", default.answer_seconds, least=5, most=86_400),
        whole_number(environment, "FLEEXMON_MAX_RECORD_BYTES", default.record_bytes, least=10_000, most=10**9),
        whole_number(environment, "FLEEXMON_MAX_RATIO", default.ratio, least=10, most=100_000),
    )


def node_of(variable: str, name: str, value: str) -> Node:
    """BLUE_HOST and its like: an IP or name (port 3000), `host:port`, or a base URL; `/api/logs` is appended.

    `journal+http(s)://host:19531` is systemd-journal-gatewayd, `loki+http(s)://host/path?query={…}` Grafana Loki,
    `docker+http(s)://host?container=NAME` or `docker+unix:///path?container=NAME` a container of Docker or Podman.
    """
    text = value.strip()
    if "@" in text.partition("?query=")[0]:
        raise SettingError(
            variable,
            f'"{shown(text)}" is not a node: a user or password in an address would be visible. '
            f"Set {prefix_of(name)}USER and {prefix_of(name)}PASSWORD, or {prefix_of(name)}TOKEN.",
            *NODE_EXAMPLES,
        )
    refusal = SettingError(
        variable, f'"{shown(text)}" is not a node: neither an address, nor host:port, nor {BASE_URL}.', *NODE_EXAMPLES
    )
    scheme, separator, rest = text.partition("://")
    if separator:
        kind, plus, transport = scheme.rpartition("+")
        if plus and transport not in TRANSPORTS.get(kind, ()):
            raise SettingError(
                variable,
                f'"{shown(text)}" is not a node: {shown(scheme)} is not a known source.',
                *SOURCE_EXAMPLES,
            )
        if kind == "journal":
            return _journal(name, f"{transport}://{rest}", refusal)
        if kind == "loki":
            return _loki(variable, name, f"{transport}://{rest}", refusal)
        if kind == "docker":
            return _docker(variable, name, transport, rest)
        parts = base_url(text)
        if parts is None:
            raise refusal
        base = text.rstrip("/")
        return Node(name, base if base.endswith("/api/logs") else f"{base}/api/logs", parts.hostname or "")
    if address := address_of(_unbracketed(text)):
        bracketed = f"[{address}]" if address.version == 6 else str(address)
        return Node(name, f"http://{bracketed}:3000/api/logs", str(address))
    host, _, port = text.rpartition(":") if ":" in text else (text, "", "3000")
    bare = _unbracketed(host)
    if not is_host(bare) or (bare != host) != (":" in bare):
        raise refusal
    if not re.fullmatch(r"[0-9]{1,5}", port) or not 0 < int(port) < 65536:
        raise refusal
    return Node(name, f"http://{host}:{port}/api/logs", bare)


def _unbracketed(text: str) -> str:
    return text[1:-1] if text.startswith("[") and text.endswith("]") else text


def _journal(name: str, text: str, refusal: SettingError) -> Node:
    parts = base_url(text)
    if parts is None:
        raise refusal
    port = "" if parts.port or parts.path.strip("/") else ":19531"  # a path belongs to a proxy, and so does the port
    base = text.rstrip("/")
    return Node(name, f"{base}{port}/entries", parts.hostname or "", "journal")


def _loki(variable: str, name: str, text: str, refusal: SettingError) -> Node:
    """The address has one parameter, the query, either plain or percent-encoded."""
    base, _, parameters = text.partition("?")
    parts = base_url(base)
    if parts is None or "#" in parameters:
        raise refusal
    key, _, query = parameters.partition("=")
    query = unquote(query)
    if key != "query" or not re.fullmatch(r"(?s)\s*\{.*\}.*", query) or not query.isprintable():
        raise SettingError(
            variable,
            "a Loki source needs ?query={…}, a LogQL selector. In LOG_SOURCES, write a comma in it as %2C.",
            LOKI_EXAMPLE,
        )
    base = base.rstrip("/").removesuffix("/loki/api/v1/query_range")
    return Node(name, f"{base}/loki/api/v1/query_range?query={quote(query)}", parts.hostname or "", "loki")


def _docker(variable: str, name: str, transport: str, rest: str) -> Node:
    """The address has one parameter, the container's name or id. For a Unix socket it is the socket's path."""
    place, _, parameters = rest.partition("?")
    key, _, container = parameters.partition("=")
    if key != "container" or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,254}", container):
        raise SettingError(
            variable, "a Docker source needs ?container=NAME, a container's name or id.", *DOCKER_EXAMPLES
        )
    if transport == "unix":
        if not place.startswith("/") or not place.isprintable() or len(place.encode()) > MAX_SOCKET_BYTES:
            raise SettingError(
                variable,
                f'"{shown(place)}" is not the path of a Unix socket: absolute, at most {MAX_SOCKET_BYTES} bytes.',
                *DOCKER_EXAMPLES,
            )
        return Node(name, f"http://localhost/containers/{container}", "localhost", "docker", socket=place)
    base = f"{transport}://{place}".rstrip("/")
    parts = base_url(base)
    if parts is None:
        raise SettingError(variable, f'"{shown(base)}" is not {BASE_URL}.', *DOCKER_EXAMPLES)
    is_proxied = parts.port or parts.path.strip("/")  # a path belongs to a proxy, and so does the port
    port = "" if is_proxied else ":2376" if transport == "https" else ":2375"
    return Node(name, f"{base}{port}/containers/{container}", parts.hostname or "", "docker")


def nodes(environment: Environment = os.environ) -> list[Node]:
    """BLUE_HOST, GREEN_HOST, LOG_SOURCES and FLEEXMON_NODES, in this order, with credentials and limits; [] if none.

    Raises SettingError for a malformed node, for a name or an address used twice, and for the UI's own address.
    """
    entries = [*_from_variables(environment), *_from_files(environment)]
    names: set[str] = set()
    places: dict[object, str] = {}
    for entry in entries:
        node, place = entry.node, (_place(entry.node), entry.node.socket)
        if node.name in names:
            raise entry.refusal(f'"{node.name}" is used twice. Each node needs its own name.')
        if place in places:
            raise entry.refusal(f"{places[place]} and {node.name} have the same address. Its lines would count twice.")
        names.add(node.name)
        places[place] = node.name
        _refuse_own_address(entry, environment)
    refuse_shared_prefixes(environment, (entry.node.name for entry in entries))
    shared_limits = limits(environment)
    return [
        replace(entry.node, credentials=_credentials(entry), limits=shared_limits, variable=entry.variable)
        for entry in entries
    ]


@dataclass(frozen=True)
class _Entry:
    """A node, the variable that defines it, and the variables of its credentials."""

    node: Node
    variable: str
    environment: Environment
    where: str = ""  # file and node, before the reason of a refusal

    def refusal(self, reason: str) -> SettingError:
        return SettingError(self.variable, self.where + reason)


def _from_variables(environment: Environment) -> Iterator[_Entry]:
    for variable, name in (("BLUE_HOST", "blue"), ("GREEN_HOST", "green")):
        if environment.get(variable, "").strip():
            yield _Entry(node_of(variable, name, environment[variable]), variable, environment)
    for entry in filter(None, (part.strip() for part in environment.get("LOG_SOURCES", "").split(","))):
        name, equals, value = entry.partition("=")
        if not equals or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}", name.strip()):
            why = " A name has letters, digits and . _ - only." if equals else ""
            raise SettingError("LOG_SOURCES", f'"{shown(entry)}" is not name=host.{why}', NAMED_EXAMPLE)
        try:
            node = node_of("LOG_SOURCES", name.strip(), value)
        except SettingError as error:  # its examples have no name yet
            examples = (f"{name.strip()}={example}" for example in error.examples)
            raise SettingError("LOG_SOURCES", error.reason, *examples) from None
        yield _Entry(node, "LOG_SOURCES", environment)


def _from_files(environment: Environment) -> Iterator[_Entry]:
    for file_node in file_nodes(environment):
        where = f"{file_node.file}, {file_node.name}: "
        try:
            node = node_of(VARIABLE, file_node.name, file_node.address)
        except SettingError as error:
            raise SettingError(VARIABLE, where + error.reason) from None
        yield _Entry(replace(node, labels=file_node.labels), VARIABLE, {**environment, **file_node.variables}, where)


def _credentials(entry: _Entry) -> Credentials:
    node = entry.node
    try:
        own = credentials(entry.environment, node.name, node.url)
    except SettingError as error:
        if entry.variable != VARIABLE:
            raise
        raise entry.refusal(f"{error.variable} {error.reason}") from None
    if own.org_id and node.kind != "loki":
        raise SettingError(f"{prefix_of(node.name)}ORG_ID", f"is set, but {node.name} is not a loki+http(s) source.")
    return own


def node_labels(environment: Environment = os.environ) -> dict[str, Mapping[str, str]]:
    """The labels of nodes that have any; {} if FLEEXMON_NODES is unusable, which collection reports."""
    try:
        return {node.name: node.labels for node in file_nodes(environment) if node.labels}
    except SettingError:
        return {}


def demo_note(environment: Environment = os.environ) -> Path:
    """The file in which `up` notes the addresses of its demo nodes, for other commands."""
    return home(environment) / "demo-nodes.json"


def watched(environment: Environment = os.environ) -> tuple[list[Node], bool]:
    """The nodes, and whether they are the demo's. Raises SettingError if there is none, or one is malformed."""
    configured = nodes(environment)
    if configured:
        return configured, False
    try:
        addresses = json.loads(demo_note(environment).read_text("utf-8"))
    except (OSError, ValueError):
        raise SettingError(
            "BLUE_HOST",
            "is not set, nor GREEN_HOST, LOG_SOURCES or FLEEXMON_NODES, and no demo nodes run here "
            "(`fleexmon up` starts them).",
            *NODE_EXAMPLES,
        ) from None
    shared_limits = limits(environment)
    return [
        Node(name, f"http://{address}/api/logs", address.rpartition(":")[0], limits=shared_limits)
        for name, address in addresses.items()
    ], True


def _place(node: Node) -> tuple[str, int, str]:
    """Host, port and path of a node, the same for all spellings of its address."""
    parts = urlsplit(node.url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    return (parts.hostname or "").rstrip("."), port, f"{parts.path}?{parts.query}"


def _refuse_own_address(entry: _Entry, environment: Environment) -> None:
    host, port, _ = _place(entry.node)
    if entry.node.socket is None and (is_loopback(host) or host in ("0.0.0.0", "::")) and port == ui_port(environment):
        raise entry.refusal(
            f"{host}:{port} is this product's own UI, not a node. Give the node's port, or set FLEEXMON_PORT."
        )
