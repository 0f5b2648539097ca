"""What the assets have in common: owner, tables, one run per range of partitions, checks; and versions of what they do.

Here: how an asset is declared. Which there are: the modules beside this one.
"""

from __future__ import annotations

import hashlib
import inspect
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import dagster as dg

from fleexmon_pipeline import settings
from fleexmon_pipeline.assets.tables import table_metadata
from fleexmon_pipeline.detection.rule_files import BUILT_IN
from fleexmon_pipeline.partitions import DAILY, HOURLY, ONE_RUN
from fleexmon_pipeline.settings.page_urls import Kind, chart_path, page_path
from fleexmon_pipeline.ticks import tick_of

OWNERS = ["team:operators"]
# What the UI shows as overdue. Issues come from the schedules' own runs (`watching/`): a backfill of old hours would
# make an asset look fresh whose schedule has stalled.
TICKS_ARE_FRESH = dg.FreshnessPolicy.time_window(fail_window=timedelta(minutes=20))
HOURS_ARE_FRESH = dg.FreshnessPolicy.time_window(fail_window=timedelta(hours=2, minutes=30))
DAYS_ARE_FRESH = dg.FreshnessPolicy.time_window(fail_window=timedelta(hours=26))
BACKFILL = "dagster/backfill"

_WATCH, _TELL, _KEEP = "watch", "tell", "keep"
# Of the UI's lineage: what is watched, what is told of it, what keeps it small. With our pages about each.
PAGES_OF: Mapping[str, tuple[str, Mapping[str, Kind]]] = {
    "raw_logs": (_WATCH, {"lines": "line", "nodes and their coverage": "now"}),
    "analyzed_logs": (_WATCH, {"patterns": "pattern"}),
    "detected_issues": (_WATCH, {"incidents": "incident", "issues": "issue", "rules in shadow mode": "shadow"}),
    "predictions": (_WATCH, {"issues": "issue"}),
    "digests": (_TELL, {"digests": "digest"}),
    "issue_alerts": (_TELL, {"incidents": "incident", "pending messages": "now"}),
    "archived_logs": (_KEEP, {"lines": "line"}),
    "data_retention": (_KEEP, {"what is stored, and until when": "now"}),
}
_AGAIN = {
    "hour": "**Run it again:** *Partitions*, select an hour or a range, *Materialize…*. Nothing is stored, counted or "
    "reported twice. To materialize hours before the first one listed, use a shell: see *Backfills* in the operator "
    "guide.",
    "day": "**Run it again:** *Partitions*, select a day, *Materialize…*. Nothing is posted twice.",
    "none": "**Run it again:** *Materialize*. It has no partitions, because it is about the present. Nothing is sent "
    "twice.",
}

Decorator = Callable[[Callable[..., Any]], dg.AssetsDefinition]
Results = Iterator[dg.MaterializeResult | dg.AssetCheckResult]


def hourly_asset(*, writes: list[str], **options: Any) -> Decorator:
    """An asset of the hourly chain. writes: its tables, the main one first."""
    return _asset(writes, {"fleexmon/window": "hour"}, partitions_def=HOURLY, backfill_policy=ONE_RUN, **options)


def daily_asset(
    *, writes: list[str], partitions_def: dg.DailyPartitionsDefinition = DAILY, **options: Any
) -> Decorator:
    """An asset of whole days."""
    tags = {"fleexmon/window": "day"}
    return _asset(writes, tags, partitions_def=partitions_def, backfill_policy=ONE_RUN, **options)


def current_asset(*, writes: list[str], **options: Any) -> Decorator:
    """An asset without partitions: it is about the present."""
    return _asset(writes, {"fleexmon/window": "none"}, **options)


def is_materializing(context: dg.AssetExecutionContext) -> bool:
    """Whether this run materializes the asset. A run of its checks alone has no window, and changes nothing."""
    return bool(context.selected_asset_keys)


def is_by_hand(context: dg.AssetExecutionContext) -> bool:
    """Whether a person started this run for itself: it is no tick, and no part of a backfill."""
    return tick_of(context.run.tags) is None and BACKFILL not in context.run.tags


def results(
    context: dg.AssetExecutionContext,
    checks: Sequence[dg.AssetCheckResult],
    metadata: dict[str, Any] | None = None,
) -> Results:
    """What a run reports: the materialization and its checks, or only the checks that were selected."""
    names = {key.name for key in context.selected_asset_check_keys}
    selected = [check for check in checks if check.check_name in names]
    if is_materializing(context):
        yield dg.MaterializeResult(metadata=metadata, check_results=selected)
    else:
        yield from selected


def hours_of_day(asset: str) -> dg.AssetDep:
    """A daily asset depends on every hour of its day; of the current day some do not exist yet."""
    with _beta_allowed():
        mapping = dg.TimeWindowPartitionMapping(allow_nonexistent_upstream_partitions=True)
        return dg.AssetDep(asset, partition_mapping=mapping)


def rules_version() -> str:
    """A hash of the rule files in use, built-in and own. A directory that cannot be read is reported by its run."""
    own = settings.rules_directory()
    digest = hashlib.sha256()
    for directory in (BUILT_IN, own):
        try:
            files = sorted(directory.iterdir(), key=lambda file: file.name) if directory else []
            contents = [file.read_bytes() for file in files if file.name.endswith((".yaml", ".yml"))]
        except OSError as error:
            contents = [str(error.strerror).encode()]
        for content in contents:
            digest.update(hashlib.sha256(content).digest())
    return digest.hexdigest()[:12]


def _asset(
    tables: list[str],
    tags: dict[str, str],
    *,
    partitions_def: dg.PartitionsDefinition[str] | None = None,
    backfill_policy: dg.BackfillPolicy | None = None,
    check_specs: Sequence[dg.AssetCheckSpec] = (),
    **options: Any,
) -> Decorator:
    """One step for an asset and its checks; with can_subset, the checks can also be executed alone (decision 0029)."""
    metadata = table_metadata(tables) if tables else {}
    can_subset = bool(check_specs)

    def decorate(function: Callable[..., Any]) -> dg.AssetsDefinition:
        group, pages = PAGES_OF.get(function.__name__, (None, {}))
        with _beta_allowed():
            spec = dg.AssetSpec(
                function.__name__,
                description=_description(function, tags["fleexmon/window"], pages),
                owners=OWNERS,
                tags=tags,
                metadata={**metadata, **({"page": _page(next(iter(pages.values())))} if pages else {})},
                skippable=can_subset,
                partitions_def=partitions_def,
                **{"group_name": group, **options},
            )
            return dg.multi_asset(
                name=function.__name__,
                specs=[spec],
                check_specs=check_specs,
                can_subset=can_subset,
                partitions_def=partitions_def,
                backfill_policy=backfill_policy,
            )(function)

    return decorate


def _description(function: Callable[..., Any], window: str, pages: Mapping[str, Kind]) -> str:
    """Markdown: what it is, by its docstring; where to look; how to run it again; of lines, the last day as a chart."""
    links = ", ".join(f"[{text}]({page_path(kind)})" for text, kind in pages.items())
    look = f"**Pages:** {links}." if links else ""
    chart = f"![Lines, warnings and errors of the last 24 hours]({chart_path()})" if "lines" in pages else ""
    return "\n\n".join(filter(None, [inspect.getdoc(function), look, _AGAIN[window], chart]))


def _page(kind: Kind) -> dg.MetadataValue:
    """A link to our page about what the asset writes. A path: the pages are on the UI's own address."""
    return dg.MetadataValue.url(page_path(kind))


@contextmanager
def _beta_allowed() -> Iterator[None]:
    """Dagster warns of parameters that are marked beta. Operators can do nothing about it; tests cover what we use."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.BetaWarning)
        yield
