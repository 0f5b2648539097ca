"""The `fleexmon` command: where it begins, and which words it knows.

Their options: `command_line/`, a file a group. What they do: `commands/`. Nothing heavy is imported on the way here:
`fleexmon patterns` on a file must not wait for Dagster.
"""

import io
import signal
import sys

import typer
from dotenv import load_dotenv

from fleexmon_pipeline.command_line import genai, issues, patterns, read, rejected, rules, running, versions, watching

app = typer.Typer(
    name="fleexmon",
    help="Watches a blue/green stack: collects the nodes' logs, finds what is wrong, tells people once.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(running.up)
app.command()(running.doctor)
app.command()(watching.nodes)
app.command()(watching.logs)
app.command()(read.read)
app.command()(versions.compare)
app.command()(versions.deployed)
app.command()(watching.digest)
app.command("demo-nodes")(running.demo_nodes)
app.add_typer(issues.app, name="issues")
app.add_typer(rules.app, name="rules")
app.add_typer(rejected.app, name="rejected")
app.add_typer(patterns.app, name="patterns")
app.add_typer(genai.app, name="genai")


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


if __name__ == "__main__":
    main()
