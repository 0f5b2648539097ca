"""`fleexmon verify-deployment`: record a CI job's end-to-end results, and evaluate the deployment.

Here: the file, options and printing. The meaning of results: `verification/`.
"""

from __future__ import annotations

import os
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

from fleexmon_pipeline.commands.compare import EXIT, as_document
from fleexmon_pipeline.commands.options import By, DryRun, Json
from fleexmon_pipeline.commands.screen.database import open_database
from fleexmon_pipeline.commands.terminal import CommandError, print_json
from fleexmon_pipeline.comparison.deployments import Deployment, is_version
from fleexmon_pipeline.comparison.judge import Verdict
from fleexmon_pipeline.comparison.read import known_nodes
from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.incidents.refresh import refresh_incidents
from fleexmon_pipeline.settings import live_node, topology
from fleexmon_pipeline.verification.record import Compared, Recorded, compare_since, note_deployment, record_results
from fleexmon_pipeline.verification.results import MAX_BYTES, Results, read_results
from fleexmon_pipeline.wording import counted, iso_text, one_line

MAX_WAIT_MINUTES = 120
POLL_SECONDS = 15.0  # while waiting for lines

app = typer.Typer(add_completion=False)


@app.command()
def verify_deployment(
    by: By,
    results: Annotated[str, typer.Argument(help="A JSON file with the results, or - for standard input.")],
    node: Annotated[
        str | None, typer.Option(help="The node that was deployed.", show_default="`node` of the results")
    ] = None,
    version: Annotated[
        str | None, typer.Option(help="The version that was deployed.", show_default="`version` of the results")
    ] = None,
    run: Annotated[
        str | None,
        typer.Option(help="The workflow run, recorded once.", show_default="`workflowRunId`, else GITHUB_RUN_ID"),
    ] = None,
    wait: Annotated[
        int, typer.Option(help="Wait until this many minutes after the deployment, so that there are lines to compare.")
    ] = 0,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Record a CI job's end-to-end results and evaluate the deployment.

    Example: fleexmon verify-deployment results.json

    Stores the results as a log line. Opens an issue for each failed test, once per workflow run, with its runbook.
    Resolves the issues of tests that passed. Then compares the lines since the deployment with the live node's.

    Exit status 0 for pass and marginal, 1 for fail (of a test or of the comparison), 2 for unusable results, 3 for
    inconclusive.
    """
    read = _with_options(read_results(_bytes(results)), node, version)
    name = run or read.run or _github_run()
    if name is None:
        raise CommandError("--run is needed: the results have no workflowRunId, and GITHUB_RUN_ID is not set.")
    if not 0 <= wait <= MAX_WAIT_MINUTES:
        raise CommandError(f"--wait: {wait} is not between 0 and {MAX_WAIT_MINUTES} minutes.")
    now = datetime.now(UTC)
    with open_database("evaluating the deployment") as connection:
        _check_node(connection, read.node)
        with connection.transaction(force_rollback=dry_run):
            deployment = note_deployment(connection, read, by=by, now=now)
            recorded = record_results(connection, read, run=name, now=now)
            refresh_incidents(connection, topology())
        if deployment and wait and not dry_run:
            _wait_until(deployment.at + timedelta(minutes=wait))
        compared = _compare(connection, deployment)
    verdict = _verdict(read, compared)
    if as_json:
        print_json(_document(read, name, recorded, compared, verdict, dry_run=dry_run))
    else:
        typer.echo("\n".join(_lines(read, name, recorded, compared, verdict, dry_run=dry_run)))
    raise typer.Exit(EXIT[verdict])


def _bytes(path: str) -> bytes:
    if path == "-":
        return sys.stdin.buffer.read(MAX_BYTES + 1)
    with Path(path).open("rb") as file:
        return file.read(MAX_BYTES + 1)


def _with_options(read: Results, node: str | None, version: str | None) -> Results:
    chosen = replace(read, node=node or read.node, version=version or read.version)
    if chosen.version is not None and not is_version(chosen.version):
        raise CommandError(
            f'--version: "{one_line(chosen.version, most=60)}" is not a version: at most 100 letters, digits and '
            "._+:@/-"
        )
    if node and node != read.node:  # failures of "the node that was deployed"
        failures = tuple(
            replace(failure, node=node) if failure.node == read.node and failure.type in _OF_THE_NODE else failure
            for failure in read.failures
        )
        chosen = replace(chosen, failures=failures)
    return chosen


_OF_THE_NODE = ("e2e-version-mismatch", "e2e-endpoint-failure")


def _github_run() -> str | None:
    """The run's id from GitHub Actions. Another attempt of a run is another verification."""
    run, attempt = os.environ.get("GITHUB_RUN_ID", "").strip(), os.environ.get("GITHUB_RUN_ATTEMPT", "").strip()
    return (f"{run}.{attempt}" if attempt not in ("", "1") else run) or None


def _check_node(connection: Connection, node: str | None) -> None:
    node_names = known_nodes(connection)
    if node is not None and node_names and node not in node_names:
        raise CommandError(f'--node: "{one_line(node, most=60)}" is not a node. Known nodes: {", ".join(node_names)}.')


def _wait_until(moment: datetime) -> None:
    while datetime.now(UTC) < moment:
        time.sleep(POLL_SECONDS)


def _compare(connection: Connection, deployment: Deployment | None) -> Compared:
    if deployment is None:
        return Compared("not compared: name the node that was deployed, and its version")
    return compare_since(connection, deployment, live=live_node(), now=datetime.now(UTC))


def _verdict(results: Results, compared: Compared) -> Verdict:
    if results.failures:
        return "fail"
    return compared.comparison.outcome.verdict if compared.comparison else "inconclusive"


def _lines(
    results: Results, run: str, recorded: Recorded, compared: Compared, verdict: Verdict, *, dry_run: bool
) -> list[str]:
    state = "would be recorded" if dry_run else "recorded" if recorded.new else "was recorded before"
    lines = [f"{verdict.upper()}  workflow run {run}: {counted(results.checked, 'check')}, {state}"]
    lines += [f"- failed: {failure.text}{f' ({failure.node})' if failure.node else ''}" for failure in results.failures]
    lines += [f"- issue: fleexmon issues show {issue}" for issue in recorded.issues]
    lines += [f"- resolved: {issue}" for issue in recorded.resolved]
    if compared.comparison:
        outcome = compared.comparison.outcome
        lines.append(f"- lines since: {outcome.verdict}, {compared.sentence}, against {compared.comparison.baseline}")
        lines += [f"  - {reason}" for reason in outcome.reasons]
    else:
        lines.append(f"- lines since: {compared.sentence}")
    lines += [f"- ignored: {', '.join(results.ignored)}"] if results.ignored else []
    return lines


def _document(
    results: Results, run: str, recorded: Recorded, compared: Compared, verdict: Verdict, *, dry_run: bool
) -> dict[str, Any]:
    return {
        "verdict": verdict, "run": run, "new": recorded.new, "dry_run": dry_run, "at": iso_text(recorded.at),
        "node": results.node, "version": results.version, "checked": results.checked,
        "failures": [{"type": one.type, "node": one.node, "text": one.text} for one in results.failures],
        "issues": recorded.issues, "resolved": recorded.resolved, "ignored": results.ignored,
        "comparison": as_document(compared.comparison) if compared.comparison else None,
        "notCompared": None if compared.comparison else compared.sentence,
    }  # fmt: skip
