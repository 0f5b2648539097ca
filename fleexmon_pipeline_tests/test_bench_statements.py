"""Log statements found in source code, and lines generated from them: made-up source, in four languages."""

from __future__ import annotations

from pathlib import Path

import pytest

from fleexmon_pipeline_tests.bench.statements import errors, main, rendered, statements_of

SOURCE = {
    "server.c": r"""
        #include "log.h"
        /* serverLog(LL_NOTICE, "in a comment is read as well, %d of them") */
        serverLog(LL_WARNING, "Can't open the " "file %s: %s (%" PRIu64 " of 100%% tried)",
                  job->path, strerror(errno), n);
        printf("not a log statement %d", n);
        log_error("%s: %s", a, b);
    """,
    "worker.py": """
        logger.info("Task %(name)s took %.2f s", {"name": name})
        log.error(
            "Worker %s is gone, "
            "%d tasks are lost",
            worker.hostname, len(lost),
        )
        logger.warning(text)
    """,
    "Node.java": """
        LOG.info("Joined {} as a follower, epoch {}", peerAddr, epoch);
        log.warn("Session " + sessionId + " has expired after " + ms + " ms", e);
    """,
    "main.go": """
        klog.Infof("pod %q moved to %v", pod.Name, node)
        lg.Warn("peer is slow", zap.String("peer-id", id), zap.Int("waiting", n), zap.Error(err))
        logger.Info("listener is open", "address", addr)
        level.Error(logger).Log("msg", "block is broken", "block", id)
    """,
    "tests/test_worker.py": 'logger.info("not of the program %d", 7)',
}


@pytest.fixture
def program(tmp_path: Path) -> Path:
    for name, text in SOURCE.items():
        file = tmp_path / "shop" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return tmp_path / "shop"


def test_statements_of_four_languages_are_found(program: Path) -> None:
    assert sorted(statement.label for statement in statements_of(program)) == [
        "Can't open the file <>: <> (<> of 100% tried)",
        "Joined <> as a follower, epoch <>",
        "Session <> has expired after <> ms",
        "Task <> took <> s",
        "Worker <> is gone, <> tasks are lost",
        "block is broken block=<>",
        "in a comment is read as well, <> of them",
        "listener is open address=<>",
        "peer is slow peer-id=<> waiting=<> error=<>",
        "pod <> moved to <>",
    ]


def test_lines_have_values_of_the_kind_that_the_arguments_say(program: Path) -> None:
    lines, labels = rendered(statements_of(program), seed=7)
    of_file = [line for line, label in zip(lines, labels, strict=True) if label.startswith("Can't open")]

    assert len(lines) == len(labels) == 2_000
    assert len(of_file) > 20
    assert all(line.startswith("Can't open the file /") and line.endswith("of 100% tried)") for line in of_file)
    assert len(set(of_file)) > len(of_file) / 2
    assert (lines, labels) == rendered(statements_of(program), seed=7)
    assert lines != rendered(statements_of(program), seed=8)[0]


def test_what_is_split_and_what_is_joined_is_shown() -> None:
    assert errors(["a 1", "a 2", "b 1", "c"], ["a", "a", "b", "c"], ["x", "y", "y", "z"]) == [
        "2 lines split into 2: a 1\n    a 2",
        "2 lines joined 2: a 2\n    b 1",
    ]


def test_a_folder_without_statements_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path)]) == 1
    assert tmp_path.name in capsys.readouterr().err
