"""Decorators that declare an asset: owner, tables, checks, one run per range of partitions.

The assets themselves are the modules beside this one.
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
# After these times the UI shows an asset as overdue. Issues about stalled schedules do not use them (`watching/`),
# because a backfill of old hours makes an asset look fresh.
TICKS_ARE_FRESH = dg.FreshnessPolicy.time_window(fail_window=timedelta(minutes=20))
HOURS_ARE_FRESH = dg.FreshnessPolicy.time_window(fail_window=timedelta(hours=2, minutes=30))
DAYS_ARE_FRESH = dg.FreshnessPolicy.time_window(fail_window=timedelta(hours=26))
BACKFILL = "dagster/backfill"

_MONITORING, _REPORTING, _STORAGE = "monitoring", "reporting", "storage"  # groups in the UI's lineage
# Group of each asset, and our pages about it.
PAGES_OF: Mapping[str, tuple[str, Mapping[str, Kind]]] = {
    "raw_logs": (_MONITORING, {"lines": "line", "nodes and their coverage": "now"}),
    "analyzed_logs": (_MONITORING, {"patterns": "pattern"}),
    "detected_issues": (_MONITORING, {"incidents": "incident", "issues": "issue", "rules in shadow mode": "shadow"}),
    "predictions": (_MONITORING, {"issues": "issue"}),
    "digests": (_REPORTING, {"digests": "digest"}),
    "issue_alerts": (_REPORTING, {"incidents": "incident", "pending messages": "now"}),
    "archived_logs": (_STORAGE, {"lines": "line"}),
    "data_retention": (_STORAGE, {"what is stored, and until when": "now"}),
}
_HOW_TO_RERUN = {
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
    """An asset without partitions, because it is about the present."""
    return _asset(writes, {"fleexmon/window": "none"}, **options)


def is_materializing(context: dg.AssetExecutionContext) -> bool:
    """Whether this run materializes the asset. A run of its checks alone has no window, and changes nothing."""
    return bool(context.selected_asset_keys)


def is_by_hand(context: dg.AssetExecutionContext) -> bool:
    """Whether a person started this single run: it is neither a tick nor part of a backfill."""
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
    """A daily asset depends on every hour of its day. Hours of the current day may not exist yet."""
    with _beta_allowed():
        mapping = dg.TimeWindowPartitionMapping(allow_nonexistent_upstream_partitions=True)
        return dg.AssetDep(asset, partition_mapping=mapping)


def rules_version() -> str:
    """A hash of all rule files in use. If a directory cannot be read, its error is hashed; the run reports it."""
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
    """Markdown: the docstring, links to our pages, how to run it again, and for raw_logs a chart of the last day."""
    links = ", ".join(f"[{text}]({page_path(kind)})" for text, kind in pages.items())
    look = f"**Pages:** {links}." if links else ""
    chart = f"![Lines, warnings and errors of the last 24 hours]({chart_path()})" if "lines" in pages else ""
    return "\n\n".join(filter(None, [inspect.getdoc(function), look, _HOW_TO_RERUN[window], chart]))


def _page(kind: Kind) -> dg.MetadataValue:
    """A link to our page about the asset's data. It is only a path, because the pages have the UI's own address."""
    return dg.MetadataValue.url(page_path(kind))


@contextmanager
def _beta_allowed() -> Iterator[None]:
    """Hide Dagster's warnings about beta parameters. Operators cannot act on them, and tests cover what we use."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.BetaWarning)
        yield
