"""Crawlers: more requests, some for nonexistent paths. They are not reported."""

from __future__ import annotations

import numpy as np

from fleexmon_pipeline_tests.detection.conditions.world import NOW, SLOTS, fired, hits, node, row, traffic


def crawled(found: float, missing: int) -> set[str]:
    """Rules that fire when half an hour has so many times the everyday requests, and more for paths that are none."""
    rows = traffic()
    row(rows, "missing", "warn")[:] = np.random.default_rng(2).poisson(0.05, SLOTS)
    for name in ("served", "opened"):
        rows[name, "info"][NOW : NOW + 6] = rows[name, "info"][NOW : NOW + 6] * found
    rows["missing", "warn"][NOW : NOW + 6] = missing
    templates = {name: name for name, _ in rows} | {"missing": '<ip> "GET <path> HTTP/<num>" 404 <num>'}
    return {rule for rule, _ in hits(node(rows), templates=templates)}


def test_paths_that_are_none_are_news_unless_more_requests_than_these_came_besides() -> None:
    assert "unusual-warning" in crawled(found=1.0, missing=8)  # a page that is gone, or a scanner
    assert "unusual-warning" in crawled(found=0.8, missing=8)
    assert "unusual-warning" not in crawled(found=2.0, missing=8)  # a crawler


def test_a_tenth_of_a_crawlers_requests_is_no_flood_of_one_message() -> None:
    rows, rnd = traffic(rate=0.2), np.random.default_rng(3)
    for place in range(10):
        row(rows, f"page {place}", "info")[:] = rnd.poisson(0.3, SLOTS)
        rows[f"page {place}", "info"][NOW : NOW + 6] = 4
    rows["page 3", "info"][NOW : NOW + 6] = 6
    assert "flooding-pattern" not in fired(node(rows))
    rows["page 3", "info"][NOW : NOW + 6] = 40
    assert "flooding-pattern" in fired(node(rows))
