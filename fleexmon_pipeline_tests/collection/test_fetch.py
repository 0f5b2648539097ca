"""HTTP: encodings, limits and decompression bombs; errors are reported."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from functools import cache, partial
from pathlib import Path
from random import Random

import brotli
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleexmon_pipeline import encoding, settings
from fleexmon_pipeline.collection.sources.ask import ask
from fleexmon_pipeline.collection.sources.clients import Clients
from fleexmon_pipeline.encoding import EncodingError, unpacked, zstd
from fleexmon_pipeline_tests.collection.polling import TEN, WINDOW, poll
from fleexmon_pipeline_tests.node_server import NodeServer, lines

pytestmark = pytest.mark.usefixtures("hasty")


# -- encodings ------------------------------------------------------------------------------------------------------


def _deflated(body: bytes, wbits: int) -> bytes:
    packer = zlib.compressobj(wbits=wbits)
    return packer.compress(body) + packer.flush()


SKIPPED = b"\x50\x2a\x4d\x18\x03\0\0\0abc"  # a frame that says nothing, RFC 8878
PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "x-gzip": lambda body: gzip.compress(body[:7]) + gzip.compress(body[7:]) + b"\0\0\0",
    "deflate": partial(_deflated, wbits=zlib.MAX_WBITS),
    "Deflate": partial(_deflated, wbits=-zlib.MAX_WBITS),
    "br": partial(brotli.compress, quality=5),
    "zstd": lambda body: zstd.compress(body[:7]) + SKIPPED + zstd.compress(body[7:]),  # files that were joined
    "identity": lambda body: body,
    "": lambda body: body,
}


@given(st.binary(max_size=2_000), st.sampled_from(sorted(PACKERS)), st.integers(1, 700))
def test_every_encoding_that_is_asked_for_is_unpacked_whatever_the_chunks(body: bytes, name: str, size: int) -> None:
    packed = PACKERS[name](body)
    chunks = (packed[start : start + size] for start in range(0, len(packed), size))

    assert b"".join(unpacked(chunks, name)) == body


def test_no_size_of_a_body_leaves_its_end_inside_the_decoder() -> None:
    for name in ("Deflate", "br", "zstd"):
        for size in range(encoding.PIECE - 300, encoding.PIECE + 300, 17):
            assert sum(map(len, unpacked([PACKERS[name](b"x" * size)], name))) == size


@pytest.mark.parametrize("name", ["compress", "dcz", "gzip, gzip", "aes128gcm\x1b[31m"])
def test_an_encoding_that_was_not_asked_for_is_told(node: NodeServer, name: str) -> None:
    with pytest.raises(EncodingError, match="is not supported, only gzip, deflate, br, zstd"):
        unpacked([b"x"], name)

    node.answer(headers={"Content-Encoding": "dcb"}, body=b"\x1b\x03")
    assert poll(BLUE_HOST=node.host_port) == (0, "Content-Encoding dcb is not supported, only gzip, deflate, br, zstd")
    assert node.requests[0].headers["accept-encoding"] == "gzip, deflate, br, zstd"


@pytest.mark.parametrize("name", ["gzip", "deflate", "br", "zstd"])
def test_a_compressed_body_that_is_cut_or_is_none_is_told(node: NodeServer, name: str) -> None:
    numbers = Random(1)
    record = b'{"timestamp": %d, "message": "%x"}'
    body = PACKERS[name](b"[" + b", ".join(record % (n, numbers.getrandbits(500)) for n in range(20_000)) + b"]")
    node.answer(headers={"Content-Encoding": name}, body=body[: len(body) // 2])
    count, error = poll(BLUE_HOST=node.host_port)

    assert 1_000 < count < 20_000
    assert error == "broke off: its compressed body breaks off"

    node.answer(headers={"Content-Encoding": name}, body=b"\xff{} is no such body")
    assert "not what its Content-Encoding says" in (poll(BLUE_HOST=node.host_port)[1] or "")


def _gzip_bomb(size: int) -> bytes:
    return gzip.compress(b"[" + b" " * size, compresslevel=1)


def _brotli_bomb(size: int) -> bytes:
    packer = brotli.Compressor(quality=1, lgwin=24)
    parts = [packer.process(b" " * 10_000_000) for _ in range(size // 10_000_000)]
    return b"".join([*parts, packer.finish()])


def _zstd_bomb(size: int) -> bytes:
    packer = zstd.ZstdCompressor(level=1)
    return b"".join(packer.compress(b" " * 10_000_000) for _ in range(size // 10_000_000)) + packer.flush()


BOMBS = {
    "gzip": partial(_gzip_bomb, 100_000_000), "br": partial(_brotli_bomb, 2_000_000_000),
    "zstd": partial(_zstd_bomb, 2_000_000_000),
}  # fmt: skip


@cache
def bomb(name: str) -> bytes:
    """Made at its first use: packing takes seconds, and every worker imports this file."""
    return BOMBS[name]()


PEAK = "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)"


@pytest.mark.parametrize("name", sorted(BOMBS))
def test_a_bomb_is_told_and_takes_no_memory(node: NodeServer, name: str) -> None:
    given = 0
    try:
        for piece in unpacked([bomb(name)], name):
            given += len(piece)
            assert len(piece) <= 2 * encoding.PIECE
    except EncodingError as error:
        assert str(error) == "decompresses to more than 200 times its size"
    assert 0 < given <= max(encoding.BOMB_FROM, 200 * len(bomb(name)))

    node.answer(headers={"Content-Encoding": name}, body=bomb(name))
    assert poll(BLUE_HOST=node.host_port)[0] == 0


@pytest.mark.parametrize("name", ["br", "zstd"])
def test_gigabytes_that_are_let_through_take_no_memory_either(tmp_path: Path, name: str) -> None:
    """In a process of its own: its peak is the decoder's, whose memory Python does not count."""
    (tmp_path / "bomb").write_bytes(bomb(name))
    script = f"""
import resource
from pathlib import Path
from fleexmon_pipeline.encoding import unpacked
bomb = Path("bomb").read_bytes()
{PEAK}
print(sum(map(len, unpacked([bomb], "{name}", 10**9))))
{PEAK}
"""
    run = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True)
    before, given, after = map(int, run.stdout.split())

    assert given == 2_000_000_000
    assert after - before < 64  # MB; a window of br is 16, one of zstd 8


def test_a_window_that_is_larger_than_http_allows_is_refused() -> None:
    large: dict[int, int] = {
        zstd.CompressionParameter.window_log: 27,
        zstd.CompressionParameter.enable_long_distance_matching: 1,
    }
    packer = zstd.ZstdCompressor(options=large)
    body = packer.compress(b"x" * 20_000_000) + packer.flush()

    with pytest.raises(EncodingError, match="not what its Content-Encoding says: "):
        list(unpacked([body], "zstd"))


def test_a_compressed_body_that_says_nothing_for_ever_is_left(node: NodeServer) -> None:
    node.answer(headers={"Content-Encoding": "zstd"}, body=SKIPPED * 100_000)
    no_time = replace(settings.node_of("BLUE_HOST", "blue", node.host_port), limits=settings.Limits(answer_seconds=0))
    with ask(Clients(), no_time, WINDOW) as answer:
        assert list(answer) == []
    assert answer.error == "not done after 0 s"


def test_the_ratio_can_be_set(node: NodeServer) -> None:
    body = b"[" + (b'{"timestamp": 1}, ' + b" " * 1_000) * 60_000 + b"{}]"
    node.answer(headers={"Content-Encoding": "gzip"}, body=gzip.compress(body, compresslevel=1))

    told = "broke off: decompresses to more than 10 times its size"
    assert poll(BLUE_HOST=node.host_port, FLEEXMON_MAX_RATIO="10")[1] == told
    assert poll(BLUE_HOST=node.host_port, FLEEXMON_MAX_RATIO="2000") == (60_001, None)


# -- limits ---------------------------------------------------------------------------------------------------------


def test_limits_make_an_answer_partial(node: NodeServer) -> None:
    node.serve(lines(20_000, TEN, every=timedelta(milliseconds=100)))
    count, error = poll(BLUE_HOST=node.host_port, FLEEXMON_MAX_ANSWER_BYTES="1000000")
    assert 5_000 < count < 20_000
    assert error == "more than 1,000,000 bytes"

    node.serve([{"timestamp": 1, "message": "x" * 3_000_000}, *lines(1, TEN)], filtered=False)
    assert poll(BLUE_HOST=node.host_port, FLEEXMON_MAX_RECORD_BYTES="10000") == (
        2,
        None,
    )  # the long one is told, unread


def test_an_answer_that_never_ends_is_left(node: NodeServer) -> None:
    node.serve(lines(20_000, TEN, every=timedelta(milliseconds=100)))
    no_time = replace(settings.node_of("BLUE_HOST", "blue", node.host_port), limits=settings.Limits(answer_seconds=0))
    with ask(Clients(), no_time, WINDOW) as answer:
        assert sum(map(len, answer)) < 20_000
        assert answer.error == "not done after 0 s"


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    "start",
    [
        pytest.param(b"", id="status"),
        pytest.param(b"HTTP/1.1 200 OK\r\nX-A: ", id="headers"),
        pytest.param(CHUNKED + b"1\r\n[\r\n1;", id="length of a chunk"),
        pytest.param(CHUNKED + b"1\r\n[\r\n0\r\nX-A: ", id="trailers"),
    ],
)
def test_a_node_that_drips_what_is_no_body_is_left(node: NodeServer, start: bytes) -> None:
    node.answer(drip_after=start)
    hurried = replace(settings.node_of("BLUE_HOST", "blue", node.host_port), limits=settings.Limits(answer_seconds=1))
    with ask(Clients(), hurried, WINDOW) as answer:
        assert list(answer) == []
    assert answer.error == "not done after 1 s"
    assert len(node.requests) == 1


def test_a_body_without_a_length_that_falls_silent_is_not_whole(node: NodeServer) -> None:
    def sent() -> Iterator[bytes]:
        for record in lines(3, TEN):
            yield json.dumps(record).encode() + b"\n"
        node.stopping.wait()

    node.answer(stream=sent)
    hurried = replace(settings.node_of("BLUE_HOST", "blue", node.host_port), limits=settings.Limits(answer_seconds=1))
    with ask(Clients(), hurried, WINDOW) as answer:
        assert sum(map(len, answer)) == 3
    assert answer.error == "not done after 1 s"


@pytest.mark.parametrize(
    ("status", "content_type", "error"),
    [
        (200, "application/x-ndjson", None), (200, "application/jsonl; charset=utf-8", None), (204, "", None),
        (200, "application/json", "answered an empty body"), (200, "text/html", "answered an empty body"),
    ],
)  # fmt: skip
def test_an_empty_body_is_an_answer_where_its_type_or_status_says_so(
    status: int, content_type: str, error: str | None, node: NodeServer
) -> None:
    node.answer(body=b"", status=status, headers={"Content-Type": content_type})

    assert poll(BLUE_HOST=node.host_port) == (0, error)
