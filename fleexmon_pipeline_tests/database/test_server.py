"""DATABASE_URL in all spellings, and servers with all kinds of errors; no message shows the password."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from fleexmon_pipeline.database.connection import connect
from fleexmon_pipeline.database.server import (
    DatabaseUnreachableError,
    configured_url,
    dagster_conninfo,
    dagster_url,
    database_url,
    unreachable,
)
from fleexmon_pipeline.embedded.server import EmbeddedServer
from fleexmon_pipeline.settings import SettingError
from fleexmon_pipeline_tests.database.tcp_front import TcpFront, certificate

PASSWORD = "p@ss/w:rd?#%25 é&=+[x]"
NAME = "odd na/me?#%25 é&=@+"
OWNER, LIMITED, POWERLESS = "owner@corp", "limited", "powerless"


@dataclass(frozen=True)
class Guarded:
    """A server that asks for passwords, as a remote one does."""

    server: EmbeddedServer
    port: int

    def url(
        self, role: str, database: str, *, password: str = PASSWORD, port: int | None = None, more: str = ""
    ) -> str:
        who = f"{quote(role, safe='')}:{quote(password, safe='')}"
        return f"postgresql://{who}@127.0.0.1:{port or self.port}/{quote(database, safe='')}{more}"

    def database(self, name: str, owner: str) -> None:
        with psycopg.connect(self.server.url("postgres"), autocommit=True) as connection:
            connection.execute(
                sql.SQL("CREATE DATABASE {} OWNER {}").format(sql.Identifier(name), sql.Identifier(owner))
            )


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    server = EmbeddedServer(tmp_path_factory.mktemp("guarded") / "home")
    with psycopg.connect(server.acquire(), autocommit=True) as connection:
        for role, rights in ((OWNER, "CREATEDB"), (LIMITED, ""), (POWERLESS, "")):
            connection.execute(
                sql.SQL("CREATE ROLE {} LOGIN PASSWORD {} " + rights).format(
                    sql.Identifier(role), sql.Literal(PASSWORD)
                )
            )
        connection.execute("ALTER SYSTEM SET fsync = off")
        (server.data / "pg_hba.conf").write_text("local all postgres trust\nlocal all all scram-sha-256\n")
        connection.execute("SELECT pg_reload_conf()")
    host = conninfo_to_dict(server.url())["host"]
    with TcpFront(Path(str(host)) / ".s.PGSQL.5432") as front:
        yield Guarded(server, front.port)
    server.release()


def ready(url: str) -> str:
    return database_url({"DATABASE_URL": url})


def refusal(url: str) -> str:
    with pytest.raises(DatabaseUnreachableError) as raised:
        ready(url)
    assert PASSWORD not in str(raised.value)
    assert quote(PASSWORD, safe="") not in str(raised.value)
    return str(raised.value)


# -- what is written ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("mysql://app:hunter2@db/shop", "is not a postgresql:// URL"),
        ("host=db user=app password=hunter2 dbname=shop", "is not a postgresql:// URL"),
        ("db.example.com/shop", "is not a postgresql:// URL"),
        ("postgresql://app:hunter2@db", "names no database"),
        ("postgresql://app:hunter2@db/", "names no database"),
        ("postgresql://app:hunter2%zz@db/shop", r"cannot be read \(invalid percent-encoded token\)"),
        ("postgresql://app:hunter2@db/shop?sslmod=require", "invalid URI query parameter"),
        ("postgresql://app:hunter2@[::1/shop", "cannot be read"),
        ("postgresql://app:hunter2@db:many/shop", "host or port"),
        ("postgresql://app:hunter2@db:99999/shop", "host or port"),
        ("postgresql://app:12/hunter2@db/shop", "host or port"),
        ("postgresql://app:a@hunter2@db/shop", "host or port"),
        ("postgresql://app:a/hunter2?x=y@db/shop", "write / as %2F"),
        ("postgresql://app:hunter2@db/shop?connect_timeout=soon", "connect_timeout"),
    ],
)
def test_a_url_that_cannot_be_used_is_refused_with_an_example_and_without_its_password(text: str, reason: str) -> None:
    with pytest.raises(SettingError, match=reason) as raised:
        configured_url({"DATABASE_URL": text})

    assert "Examples: DATABASE_URL=postgresql://user:password@" in str(raised.value)
    assert "hunter2" not in str(raised.value)


@pytest.mark.parametrize(
    "text",
    [
        "postgresql://app@db/shop",
        "postgres://app:x@db:6432/shop?sslmode=require",
        "postgresql://app:a%2Fb%40c@[::1]:5432/sh%40p",
        "postgresql://app@one:1,two:2/shop?target_session_attrs=read-write",
        "postgresql:///shop?host=/var/run/postgresql&user=app@corp",
        "postgresql://%2Fvar%2Frun/shop?connect_timeout=3",
    ],
)
def test_every_sound_form_is_taken_as_it_is(text: str) -> None:
    assert configured_url({"DATABASE_URL": f"  {text}\n"}) == text


def test_without_it_there_is_none() -> None:
    assert configured_url({}) is None
    assert configured_url({"DATABASE_URL": "  "}) is None


@settings(deadline=None)
@given(st.text(max_size=40))
@example("postgresql://[")
@example("postgres://a:b@c:1/d?e")
def test_any_text_is_taken_or_refused(text: str) -> None:
    try:
        configured_url({"DATABASE_URL": f"postgresql://{text}"})
        configured_url({"DATABASE_URL": text})
    except SettingError:
        pass


ODD = st.text(alphabet="/@:?#%&=[],\"' \\é1a", max_size=4)


@settings(deadline=None)
@given(before=ODD, after=ODD, rest=st.sampled_from(["@db/shop", "@db:5432/shop?sslmode=require", "@/shop"]))
@example(before="", after="%a1", rest="@db/shop")
def test_a_password_that_was_not_escaped_is_never_shown(before: str, after: str, rest: str) -> None:
    text = f"postgresql://app:{before}hunter2{after}{rest}"
    try:
        url = configured_url({"DATABASE_URL": text})
        told = unreachable(str(url), RuntimeError("refused"))
    except SettingError as error:
        told = str(error)

    assert "hunter2" not in told


# -- what answers ---------------------------------------------------------------------------------------------------


def test_odd_characters_in_names_and_passwords_reach_both_databases(guarded: Guarded) -> None:
    guarded.database(NAME, OWNER)
    url = ready(guarded.url(OWNER, NAME))

    with connect(url) as connection:
        found = connection.execute(
            "SELECT current_database() AS name, to_regclass('\"LogEntry\"')::text AS log"
        ).fetchone()
    assert found == {"name": NAME, "log": '"LogEntry"'}

    for _ in range(2):
        with psycopg.connect(make_conninfo(**dagster_conninfo(url))) as own:
            assert own.execute("SELECT current_database()").fetchone() == (f"{NAME}_dagster",)


def test_dagster_keeps_its_tables_beside_the_products(guarded: Guarded, monkeypatch: pytest.MonkeyPatch) -> None:
    guarded.database("run & history", OWNER)
    url = guarded.url(OWNER, "run & history")

    assert tables_of_dagster(url, monkeypatch) == {"public"}
    assert tables_of_dagster(url, monkeypatch) == {"public"}
    with connect(url) as product:
        assert product.execute("SELECT to_regclass('runs') AS runs").fetchone() == {"runs": None}


def test_a_role_that_may_not_create_databases_gets_a_schema_and_keeps_it(
    guarded: Guarded, monkeypatch: pytest.MonkeyPatch
) -> None:
    guarded.database("narrow", LIMITED)
    url = guarded.url(LIMITED, "narrow")

    assert tables_of_dagster(url, monkeypatch) == {"fleexmon_dagster"}

    with psycopg.connect(guarded.server.url("postgres"), autocommit=True) as superuser:
        superuser.execute("ALTER ROLE limited CREATEDB")
        assert tables_of_dagster(url, monkeypatch) == {"fleexmon_dagster"}
        superuser.execute("ALTER ROLE limited NOCREATEDB")


@pytest.mark.parametrize("name", ["n" * 55, "n" * 58, "n" * 63, "é" * 31], ids=lambda name: f"{len(name)}-{name[0]}")
def test_a_long_name_leaves_dagster_a_database_of_its_own(name: str, guarded: Guarded) -> None:
    """PostgreSQL cuts names to 63 bytes: what is behind them would go, and the rest be the product's own database."""
    guarded.database(name, OWNER)
    found = dagster_conninfo(guarded.url(OWNER, name))

    assert found == dagster_conninfo(guarded.url(OWNER, name))
    with psycopg.connect(make_conninfo(**found)) as own:
        assert own.execute("SELECT current_database()").fetchone() == (found["dbname"],)
    assert found["dbname"] != name
    assert found["dbname"].startswith(name[:20])
    assert found["dbname"].endswith("_dagster")
    assert len(found["dbname"].encode()) <= 63


def tables_of_dagster(url: str, monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The schemas in which Dagster's storage has put its table of runs."""
    from fleexmon_pipeline.database.dagster_storage import FleexmonStorage  # noqa: PLC0415  imports dagster: seconds

    monkeypatch.setenv("DATABASE_URL", url)
    storage = FleexmonStorage.from_config_value(None, {})
    assert storage.run_storage.get_runs_count() == 0
    for part in (storage.run_storage, storage.event_log_storage, storage.schedule_storage):
        part.dispose()
    with psycopg.connect(make_conninfo(**dagster_conninfo(url))) as own:
        return {row[0] for row in own.execute("SELECT schemaname FROM pg_tables WHERE tablename = 'runs'")}


def test_a_role_that_may_create_nothing_is_told_what_it_needs(guarded: Guarded) -> None:
    guarded.database("foreign", OWNER)

    told = refusal(guarded.url(POWERLESS, "foreign"))
    assert "permission denied" in told
    assert "GRANT CREATE ON SCHEMA public" in told

    with pytest.raises(DatabaseUnreachableError, match='CREATE DATABASE "foreign_dagster" OWNER "powerless"'):
        dagster_conninfo(guarded.url(POWERLESS, "foreign"))


def test_a_wrong_password_and_an_unknown_database_are_told_by_host_and_name(guarded: Guarded) -> None:
    told = refusal(guarded.url(OWNER, "shop", password="hunter2hunter2"))
    assert told.startswith(f"DATABASE_URL: 127.0.0.1:{guarded.port}/shop: ")
    assert f'password authentication failed for user "{OWNER}"' in told
    assert "hunter2" not in told

    assert 'database "shop" does not exist' in refusal(guarded.url(OWNER, "shop"))


def test_a_port_where_nobody_listens_is_told(guarded: Guarded) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]

    assert "Connection refused" in refusal(guarded.url(OWNER, "shop", port=port))


def test_certificates_are_verified_when_asked(guarded: Guarded, tmp_path: Path) -> None:
    guarded.database("secured", OWNER)
    host = Path(str(conninfo_to_dict(guarded.server.url())["host"])) / ".s.PGSQL.5432"
    tls, trusted = certificate(tmp_path / "ours é")
    _, other = certificate(tmp_path / "other")
    elsewhere, trusted_elsewhere = certificate(tmp_path / "elsewhere", address="10.1.2.3")

    def url(front: TcpFront, root: Path, mode: str = "verify-full") -> str:
        more = f"?sslmode={mode}&sslrootcert={quote(str(root), safe='')}"
        return guarded.url(OWNER, "secured", port=front.port, more=more)

    with TcpFront(host, tls) as front:
        with connect(ready(url(front, trusted))) as connection:
            assert connection.pgconn.ssl_in_use
        with psycopg.connect(make_conninfo(**dagster_conninfo(url(front, trusted)))) as own:
            assert own.pgconn.ssl_in_use
        assert f"sslrootcert={quote(str(trusted), safe='')}" in dagster_url(url(front, trusted))
        assert "certificate verify failed" in refusal(url(front, other))
        assert "does not exist" in refusal(url(front, tmp_path / "none.crt"))
    with TcpFront(host, elsewhere) as front:
        assert "does not match host name" in refusal(url(front, trusted_elsewhere))
        ready(url(front, trusted_elsewhere, "verify-ca"))
    with TcpFront(host) as plain:
        assert "does not support SSL" in refusal(url(plain, trusted))
