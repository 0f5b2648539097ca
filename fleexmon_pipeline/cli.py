"""The `fleexmon` command: its words, options and error messages. What it does: `commands/`.

Nothing heavy is imported up here: `fleexmon patterns` on a file must not wait for Dagster.
"""

# ruff: noqa: PLC0415  each command imports what it needs, when it runs

import getpass
import io
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from dotenv import load_dotenv
from typer.core import TyperGroup

app = typer.Typer(
    name="fleexmon",
    help="Watches a blue/green stack: collects the nodes' logs, finds what is wrong, tells people once.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
issues_app = typer.Typer(no_args_is_help=True, help="The issues that were found.")
rules_app = typer.Typer(no_args_is_help=True, help="The rules that find issues.")
rejected_app = typer.Typer(no_args_is_help=True, help="Records of the nodes that could not become log lines.")
app.add_typer(issues_app, name="issues")
app.add_typer(rules_app, name="rules")
app.add_typer(rejected_app, name="rejected")


class _FileOrCommand(TyperGroup):
    """`fleexmon patterns FILE`, and commands beside it: what is none of them is a file, or an option of it."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # Any: typer has a click of its own, under no name
        if args and args[0] not in self.commands and args[0] not in ("-h", "--help"):
            args = ["of", *args]
        return super().parse_args(ctx, args)


patterns_app = typer.Typer(
    cls=_FileOrCommand,
    no_args_is_help=True,
    help="The pattern of every line: fleexmon patterns FILE. What patterns are called, and which to ignore.",
)
app.add_typer(patterns_app, name="patterns")
genai_app = typer.Typer(no_args_is_help=True, help="What the GenAI agent is asked, and past hours judged again.")
app.add_typer(genai_app, name="genai")

Json = Annotated[bool, typer.Option("--json", help="One JSON document on stdout, and nothing else.")]


def main() -> None:
    """Entry point of `fleexmon`. A `.env` here counts, as it does for Dagster's commands; what is exported wins."""
    load_dotenv(".env")
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_DFL:  # nohup's stays
            signal.signal(number, _leave)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a log line that the terminal cannot show must not end the command
            stream.reconfigure(errors="replace")
    app()


def _leave(number: int, _: object) -> None:
    """By the front door: the embedded server is stopped on the way out."""
    raise SystemExit(128 + number)


@contextmanager
def _refusing() -> Iterator[None]:
    """What a person can mend is a sentence on stderr and exit status 2; anything else is a bug and shows its stack."""
    import psycopg

    from fleexmon_pipeline.database.migrate import DatabaseTooNewError
    from fleexmon_pipeline.database.server import DatabaseUnreachableError
    from fleexmon_pipeline.embedded.server import EmbeddedServerError
    from fleexmon_pipeline.settings import SettingError

    try:
        yield
    except (
        SettingError,
        DatabaseUnreachableError,
        EmbeddedServerError,
        DatabaseTooNewError,
        typer.BadParameter,
    ) as error:
        typer.echo(f"fleexmon: {error}", err=True)
        raise typer.Exit(2) from None
    except psycopg.OperationalError as error:
        typer.echo(f"fleexmon: the database went away: {str(error).strip()}", err=True)
        raise typer.Exit(2) from None
    except BrokenPipeError:  # `| head` has what it wanted; typer ends the command without a word
        raise
    except OSError as error:
        about = f"{error.filename}: " if error.filename else ""
        typer.echo(f"fleexmon: {about}{error.strerror or error}", err=True)
        raise typer.Exit(2) from None


@app.command()
def up(
    backfill: Annotated[bool, typer.Option(help="Fill the last 24 hours at the first start.")] = True,
    seed: Annotated[int, typer.Option(help="Of the demo nodes, where no node is set.")] = 1,
) -> None:
    """Start everything on this machine: database, UI, schedules, demo nodes where none are set. Ctrl-C stops it."""
    from rich.console import Console

    from fleexmon_pipeline.commands.up import CannotStartError
    from fleexmon_pipeline.commands.up import up as run

    console = Console()
    with _refusing():
        try:
            run(console, backfill=backfill, seed=seed)
        except KeyboardInterrupt:
            console.print("stopped")
        except CannotStartError as error:
            typer.echo(f"fleexmon: {error}", err=True)
            raise typer.Exit(1) from None


@app.command()
def doctor(as_json: Json = False) -> None:
    """Look at every setting and outside system: ok, off, or wrong and what to do. Exit status 1 when one is wrong."""
    from fleexmon_pipeline.commands.doctor import examine, render

    with _refusing():
        findings = examine(os.environ, now=datetime.now(UTC))
        typer.echo(render(findings, as_json=as_json))
    raise typer.Exit(1 if any(finding.state == "wrong" for finding in findings) else 0)


@app.command()
def nodes(as_json: Json = False) -> None:
    """What is known of each node: since when it is watched, its last line, lag, coverage, gaps, rejected records.

    The name is a node's identity. One that is added is asked from then on; a rename makes a new node, and lines and
    issues stay with the old name; one that is removed is asked no more, and its history stays until it is too old.
    """
    from fleexmon_pipeline.commands.nodes import print_nodes

    with _refusing():
        print_nodes(typer.echo, as_json=as_json, now=datetime.now(UTC))


@patterns_app.command("of")
def patterns_of(
    file: Annotated[str, typer.Argument(help="A file of log lines; - for standard input.")],
    summary: Annotated[bool, typer.Option("--summary", help="Patterns with their counts instead of lines.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="The summary as JSON lines; without --summary it is always.")
    ] = False,
) -> None:
    """The pattern of every line, as JSON lines {"line": 0-based, "pattern", "template"}. Needs no database.

    The word `of` may be left out, unless the file has the name of another command.
    """
    from fleexmon_pipeline.analysis.patterns_command import lines_of, stream_patterns, summarise
    from fleexmon_pipeline.analysis.redaction import redact

    with _refusing(), sys.stdin.buffer if file == "-" else Path(file).open("rb") as stream:
        if not summary:
            stream_patterns(lines_of(stream), sys.stdout.write, redact=redact)
            return
        import json

        for row in summarise(lines_of(stream), redact=redact):
            told = {"pattern": row.pattern, "lines": row.lines, "template": row.template}
            typer.echo(json.dumps(told) if as_json else f"{row.lines:>9,}  {row.pattern}  {row.template}")


@app.command()
def logs(
    node: Annotated[str | None, typer.Option(help="Only this node's.")] = None,
    since: Annotated[
        str, typer.Option(help="From when: 15m, 2h, 3d ago, or a UTC time such as 2026-11-20T10:00.")
    ] = "15m",
    until: Annotated[str | None, typer.Option(help="Up to when; the same forms. Default: now.")] = None,
    level: Annotated[str | None, typer.Option(help="This level and worse: debug, info, warn, error, fatal.")] = None,
    pattern: Annotated[str | None, typer.Option(help="Only lines of this pattern id.")] = None,
    grep: Annotated[str | None, typer.Option(help="Only lines that match this regular expression.")] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what is collected from now on.")] = False,
    limit: Annotated[int, typer.Option(min=1, help="At most so many lines; the newest.")] = 1_000,
    as_json: Annotated[bool, typer.Option("--json", help="A JSON document a line.")] = False,
) -> None:
    """Stored lines, oldest first."""
    from fleexmon_pipeline.commands.logs import Wanted, show

    with _refusing():
        now = datetime.now(UTC)
        wanted = Wanted.of(node, since, until, level, pattern, grep, limit, now=now)
        try:
            show(wanted, typer.echo, follow=follow, as_json=as_json)
        except KeyboardInterrupt:
            raise typer.Exit(0) from None


@issues_app.command("list")
def issues_list(
    status: Annotated[str, typer.Option(help="open, resolved or all.")] = "open",
    severity: Annotated[str | None, typer.Option(help="Only this one: low, medium, high, critical.")] = None,
    node: Annotated[str | None, typer.Option(help="Only issues of this node.")] = None,
    since: Annotated[str | None, typer.Option(help="Updated since: 2h, 3d ago, or a UTC time.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 100,
    as_json: Json = False,
) -> None:
    """Issues, the newest first."""
    from fleexmon_pipeline.commands.issues import print_list

    with _refusing():
        print_list(typer.echo, status, severity, node, since, limit, as_json=as_json, now=datetime.now(UTC))


@issues_app.command("show")
def issues_show(
    issue: Annotated[str, typer.Argument(help="Its id, or the beginning of it.")], as_json: Json = False
) -> None:
    """One issue with its evidence."""
    from fleexmon_pipeline.commands.issues import print_one

    with _refusing():
        print_one(typer.echo, issue, as_json=as_json, now=datetime.now(UTC))


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container's user may have no name
        return "unknown"


By = Annotated[str, typer.Option("--by", help="Who; default: the user of this shell.", default_factory=_user)]
Why = Annotated[str, typer.Option("--why", help="Why, for whoever looks at it later.")]
MutedIssue = Annotated[str | None, typer.Argument(help="An issue's id, or the beginning of it.")]
MutedFingerprint = Annotated[str | None, typer.Option("--fingerprint", help="All issues of this fingerprint instead.")]
MutedNode = Annotated[str | None, typer.Option("--node", help="All issues of this node instead.")]
MutedRule = Annotated[str | None, typer.Option("--rule", help="All issues of this rule instead.")]


@patterns_app.command("name")
def patterns_name(
    pattern: Annotated[str, typer.Argument(help="Its id, or the beginning of it.")],
    name: Annotated[str, typer.Argument(help="What you call it.")],
    by: By,
) -> None:
    """Issues about it will say this name before its template."""
    from fleexmon_pipeline.commands.labels import print_label

    with _refusing():
        print_label(typer.echo, pattern, by=by, now=datetime.now(UTC), name=name)


@patterns_app.command("ignore")
def patterns_ignore(
    pattern: Annotated[str, typer.Argument(help="Its id, or the beginning of it.")],
    by: By,
    why: Annotated[str, typer.Option("--why", help="Why, for whoever looks at it later.", prompt=True)],
    no_longer: Annotated[bool, typer.Option("--no-longer", help="Take it back.")] = False,
) -> None:
    """No rule makes an issue about this pattern any more. Its lines still count, in error rates too."""
    from fleexmon_pipeline.commands.labels import print_label

    with _refusing():
        print_label(typer.echo, pattern, by=by, now=datetime.now(UTC), ignored=not no_longer, why=why)


@patterns_app.command("labels")
def patterns_labels(as_json: Json = False) -> None:
    """The patterns that have a name or are ignored."""
    from fleexmon_pipeline.commands.labels import print_labels

    with _refusing():
        print_labels(typer.echo, as_json=as_json)


@issues_app.command("resolve")
def issues_resolve(
    issue: Annotated[str, typer.Argument(help="Its id, or the beginning of it.")],
    by: By,
    why: Why = "",
    verdict: Annotated[str | None, typer.Option("--as", help="noise or real: what backtests count as false.")] = None,
) -> None:
    """It is over, or was nothing. If it fires again a new issue names it."""
    from fleexmon_pipeline.commands.issues import resolve

    with _refusing():
        resolve(typer.echo, issue, by=by, why=why, verdict=verdict, now=datetime.now(UTC))


@issues_app.command("mute")
def issues_mute(
    by: By,
    why: Annotated[str, typer.Option("--why", help="Why, for whoever looks at it later.", prompt=True)],
    issue: MutedIssue = None,
    fingerprint: MutedFingerprint = None,
    node: MutedNode = None,
    rule: MutedRule = None,
    length: Annotated[str | None, typer.Option("--for", help="2h, 7d; default: until unmuted.")] = None,
    until: Annotated[str | None, typer.Option("--until", help="A UTC time instead, such as 2026-11-30.")] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say which open issues it is about; mute nothing.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Tell nobody of it on GitHub, whenever it fires. Issues are found and listed all the same."""
    from fleexmon_pipeline.commands.issues import Meant, mute

    with _refusing():
        meant = Meant(issue, fingerprint, node, rule)
        now = datetime.now(UTC)
        mute(typer.echo, meant, length, until, by=by, why=why, dry_run=dry_run, as_json=as_json, now=now)


@issues_app.command("unmute")
def issues_unmute(
    by: By,
    issue: MutedIssue = None,
    fingerprint: MutedFingerprint = None,
    node: MutedNode = None,
    rule: MutedRule = None,
    why: Why = "",
) -> None:
    """End a mute."""
    from fleexmon_pipeline.commands.issues import Meant, unmute

    with _refusing():
        unmute(typer.echo, Meant(issue, fingerprint, node, rule), by=by, why=why, now=datetime.now(UTC))


@issues_app.command("mutes")
def issues_mutes(as_json: Json = False) -> None:
    """What is muted, by whom and why."""
    from fleexmon_pipeline.commands.issues import print_mutes

    with _refusing():
        print_mutes(typer.echo, as_json=as_json, now=datetime.now(UTC))


@rules_app.command("list")
def rules_list() -> None:
    """The rules, and which files are refused and why."""
    from fleexmon_pipeline.detection.rules import all_rules, report
    from fleexmon_pipeline.settings import rules_directory

    typer.echo(report(all_rules(rules_directory())))


@rules_app.command("test")
def rules_test(
    directory: Annotated[
        Path | None,
        typer.Argument(
            exists=True,
            file_okay=False,
            help="A directory of rules; default: the built-in ones and those of FLEEXMON_RULES.",
        ),
    ] = None,
) -> None:
    """Check rule files and their samples. Exit status 1 when one is refused."""
    from fleexmon_pipeline.detection.rules import all_rules, load_rules, report
    from fleexmon_pipeline.settings import rules_directory

    loaded = load_rules(directory) if directory else all_rules(rules_directory())
    typer.echo(report(loaded))
    raise typer.Exit(1 if loaded.problems else 0)


@rules_app.command("backtest")
def rules_backtest(
    since: Annotated[str, typer.Option("--from", help="3d ago, or a UTC time such as 2026-11-20T10:00.")] = "7d",
    until: Annotated[str | None, typer.Option("--to", help="The same forms. Default: what is known ends.")] = None,
    rules: Annotated[
        Path | None,
        typer.Option(help="Rules to try, as if FLEEXMON_RULES named this directory. Default: those in force."),
    ] = None,
    against: Annotated[
        str, typer.Option(help="What they are compared with: CURRENT, the rules in force, or another directory.")
    ] = "CURRENT",
    as_json: Json = False,
) -> None:
    """Replay past windows with changed rules: issues gained, lost and kept, by rule and day. Writes nothing.

    What people called noise (`fleexmon issues resolve ID --as noise`) counts as false alarm, before and after.
    """
    from fleexmon_pipeline.commands.backtest import run_backtest

    def progress(done: int, of: int) -> None:
        if sys.stderr.isatty():
            typer.echo(f"\r{done} of {of} days replayed" + ("\n" if done == of else ""), err=True, nl=False)

    with _refusing():
        run_backtest(typer.echo, since, until, rules, against, progress, as_json=as_json, now=datetime.now(UTC))


RejectedNode = Annotated[str | None, typer.Option("--node", help="Only this node's.")]
RejectedSince = Annotated[
    str | None, typer.Option("--since", help="Windows from then on: 2h, 3d ago, or a UTC time. Default: all.")
]
RejectedUntil = Annotated[str | None, typer.Option("--until", help="Windows before; the same forms. Default: all.")]
RejectedReason = Annotated[
    str | None, typer.Option("--reason", help='Only for this reason, or a part of it: "no time".')
]


@rejected_app.command("list")
def rejected_list(
    node: RejectedNode = None,
    since: RejectedSince = None,
    until: RejectedUntil = None,
    reason: RejectedReason = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many; the newest.")] = 50,
    as_json: Json = False,
) -> None:
    """Rejected records, the newest first: window, node, reason, what the node sent; then how many of each reason."""
    from fleexmon_pipeline.commands.rejected import chosen_by, print_rejected

    with _refusing():
        chosen = chosen_by(node, since, until, reason, now=datetime.now(UTC))
        print_rejected(typer.echo, chosen, limit, as_json=as_json)


@rejected_app.command("retry")
def rejected_retry(
    node: RejectedNode = None,
    since: RejectedSince = None,
    until: RejectedUntil = None,
    reason: RejectedReason = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would become of them, and change nothing.")
    ] = False,
) -> None:
    """Read rejected records again, after an update or a fix: what can be read now becomes log lines.

    Each line is stored in the hour of its own time, with the id that collecting it again would give it, so doing both
    doubles nothing. The hours are then analysed by the catch-up sensor.
    """
    from fleexmon_pipeline.commands.rejected import chosen_by, retry_rejected

    with _refusing():
        now = datetime.now(UTC)
        retry_rejected(typer.echo, chosen_by(node, since, until, reason, now=now), dry_run=dry_run, now=now)


@app.command()
def compare(
    since: Annotated[
        str, typer.Option("--from", help="2h, 3d ago, or a UTC time such as 2026-11-20T10:00: when it was deployed.")
    ],
    until: Annotated[str | None, typer.Option("--to", help="The same forms. Default: now.")] = None,
    baseline: Annotated[str | None, typer.Option(help="The node that is right. Default: the live one.")] = None,
    candidate: Annotated[str | None, typer.Option(help="The node in question. Default: the other colour.")] = None,
    as_json: Json = False,
) -> None:
    """Whether a candidate says what a baseline says, pattern by pattern: pass, marginal, fail or inconclusive.

    Live is LIVE_NODE, else the one of blue and green that has the traffic. Frequencies are compared by each node's own
    lines, against how far the nodes were apart in the quiet windows of the week before.

    Exit status 0 for pass and marginal, 1 for fail, 2 for an option that cannot be used, 3 for inconclusive.
    """
    from rich.console import Console

    from fleexmon_pipeline.commands.compare import run_compare

    with _refusing():
        status = run_compare(
            typer.echo, Console(), baseline, candidate, since, until, os.environ, as_json=as_json, now=datetime.now(UTC)
        )
    raise typer.Exit(status)


@app.command()
def deployed(
    node: Annotated[str | None, typer.Argument(help="The node that got a version.")] = None,
    version: Annotated[str | None, typer.Argument(help="Which: 1.4.2, a commit, an image.")] = None,
    at: Annotated[str | None, typer.Option(help="When: 15m ago, or a UTC time. Default: now.")] = None,
    show_list: Annotated[bool, typer.Option("--list", help="Show what is known instead; of NODE, or of all.")] = False,
    as_json: Json = False,
) -> None:
    """Say that a version came to a node: `fleexmon deployed green 1.4.2`. Saying it twice is saying it once.

    The two hours after it are compared with the live node, and shown by a check of detected_issues.
    """
    import getpass

    from fleexmon_pipeline.commands.deployed import mark_deployed, print_deployments

    with _refusing():
        now = datetime.now(UTC)
        if show_list:
            if version is not None or at is not None:
                raise typer.BadParameter("--list takes a NODE at most.")
            print_deployments(typer.echo, node, as_json=as_json, now=now)
            return
        if node is None or version is None:
            raise typer.BadParameter("which NODE and VERSION? Examples: deployed green 1.4.2  deployed --list")
        try:
            by = getpass.getuser()
        except (KeyError, OSError):  # a container's user without a name
            by = "unknown"
        mark_deployed(typer.echo, node, version, at, by, os.environ, as_json=as_json, now=now)


PromptFile = Annotated[
    Path | None, typer.Option("--prompt", exists=True, dir_okay=False, help="Instructions to use instead of ours.")
]


@genai_app.command("preview")
def genai_preview(
    hour: Annotated[
        str | None, typer.Option(help="2h, 3d ago, or a UTC time such as 2026-11-20T10:00. Default: the newest.")
    ] = None,
    prompt: PromptFile = None,
    as_json: Json = False,
) -> None:
    """Exactly what would be sent to the agent about an hour, and what it would cost. Sends nothing to it.

    Works without GENAI_AGENT_URL: to see what would leave this machine before switching it on.
    """
    from fleexmon_pipeline.commands.genai import print_preview

    with _refusing():
        print_preview(typer.echo, hour, prompt, os.environ, as_json=as_json, now=datetime.now(UTC))


@genai_app.command("prompt")
def genai_prompt() -> None:
    """The built-in instructions, to begin a --prompt file with."""
    from fleexmon_pipeline.commands.genai import print_prompt

    print_prompt(typer.echo)


@genai_app.command("replay")
def genai_replay(
    since: Annotated[str, typer.Option("--from", help="2h, 3d ago, or a UTC time such as 2026-11-20T10:00.")],
    until: Annotated[str | None, typer.Option("--to", help="The same forms. Default: now.")] = None,
    prompt: PromptFile = None,
    yes: Annotated[bool, typer.Option("--yes", help="Ask, however many questions it takes.")] = False,
) -> None:
    """Judge past hours again, with today's agent or another prompt, and show which issues differ.

    Says first what it costs, and asks no more than three questions without --yes. Issues stay as they are.
    Exit status 1 when nothing was asked, or not every hour could be judged.
    """
    from fleexmon_pipeline.commands.genai import run_replay

    with _refusing():
        done = run_replay(typer.echo, since, until, prompt, os.environ, yes=yes, now=datetime.now(UTC))
    raise typer.Exit(0 if done else 1)


@app.command()
def digest(
    date: Annotated[
        str | None, typer.Option(help="A UTC day, 2026-11-20. Default: the newest that is written.")
    ] = None,
    html: Annotated[Path | None, typer.Option(help="Write the page here.")] = None,
    as_json: Json = False,
) -> None:
    """A day's digest: Markdown on stdout, its figures as JSON, or a page for the browser."""
    from fleexmon_pipeline.commands.digest import print_digest

    with _refusing():
        print_digest(typer.echo, date, html, as_json=as_json)


@app.command("demo-nodes")
def demo_nodes(
    blue_port: Annotated[int, typer.Option(min=0, max=65535, help="0: any free one.")] = 0,
    green_port: Annotated[int, typer.Option(min=0, max=65535, help="0: any free one.")] = 0,
    seed: Annotated[int, typer.Option(help="The same seed gives the same lines.")] = 1,
    note: Annotated[Path | None, typer.Option(hidden=True, help="Where `up` reads the addresses.")] = None,
) -> None:
    """Serve two nodes of a small shop on loopback, to watch on a machine that has none."""
    import json

    from fleexmon_pipeline.demo.server import run

    addresses: dict[str, str] = {}

    def announce(name: str, port: int) -> None:
        addresses[name] = f"127.0.0.1:{port}"
        typer.echo(f"{name.upper()}_HOST={addresses[name]}")
        if note and len(addresses) == 2:
            written = note.with_suffix(".new")
            written.write_text(json.dumps(addresses))
            written.replace(note)

    with _refusing():
        run((blue_port, green_port), seed, announce)


if __name__ == "__main__":
    main()
