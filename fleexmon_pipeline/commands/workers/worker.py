"""`fleexmon worker`: execute runs from the broker on this machine."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from fleexmon_pipeline import settings
from fleexmon_pipeline.commands.terminal import CommandError
from fleexmon_pipeline.database.server import database_url
from fleexmon_pipeline.settings import SettingError

DEFAULT_RUNS = 2

app = typer.Typer(add_completion=False)


@app.command()
def worker(
    runs: Annotated[int, typer.Option(min=1, max=64, help="Number of concurrent runs.")] = DEFAULT_RUNS,
    name: Annotated[str, typer.Option(help="The worker's name in `fleexmon doctor`.")] = "worker",
) -> None:
    """Execute runs from the broker on this machine, until Ctrl-C.

    For several machines that share one PostgreSQL. Set DATABASE_URL, FLEEXMON_BROKER and DAGSTER_HOME as on the machine
    that runs `fleexmon up`; dagster.yaml must name the launcher. A worker has no state: start and stop it at any time.
    """
    if not settings.is_set(os.environ, "DATABASE_URL"):
        reason = "is not set. A worker needs the same database as the other machines."
        raise SettingError("DATABASE_URL", reason, "postgresql://fleexmon:PASSWORD@db.example.com/fleexmon")
    settings.broker(os.environ)
    home = os.environ.get("DAGSTER_HOME", "")
    if not (home and (Path(home) / "dagster.yaml").exists()):
        raise SettingError("DAGSTER_HOME", "is not a directory with a dagster.yaml.", "/etc/fleexmon/dagster")
    if not name.isascii() or not name.replace("-", "").replace("_", "").isalnum():
        raise CommandError(f'--name: "{name}" has other characters than letters, digits, - and _. Examples: worker-2')
    database_url()
    try:
        import dagster as dg  # noqa: PLC0415  takes a second

        import fleexmon_pipeline.definitions  # noqa: F401, PLC0415  before the fork, so that no run has to import it
        from fleexmon_pipeline.workers.worker import launcher_of, run_worker  # noqa: PLC0415  an extra
    except ModuleNotFoundError as error:
        raise CommandError(
            f"the package {error.name} is missing. It is part of an extra: pip install 'fleexmon-pipeline[celery]'"
        ) from None
    with dg.DagsterInstance.get() as instance:
        launcher = launcher_of(instance)
        if launcher is None:
            raise CommandError(
                f"{home}/dagster.yaml names another launcher, so workers get no runs. Use the launcher in "
                "packaging/several-machines/dagster.yaml."
            )
        typer.echo(f"waiting for runs, {runs} at once  (Ctrl-C stops it after its active runs)")
        raise typer.Exit(run_worker(launcher, name, runs_at_once=runs))
