"""The pictures in docs/images, made again: `python -m fleexmon_pipeline_tests.screens`.

Run it where `make up` has watched the demo nodes for a day or more, with DATABASE_URL or FLEEXMON_HOME as there. It
shows what the commands print, to the letter, in a monospace font, and pages of the UI on FLEEXMON_PORT. Chromium has to
be there, as for `test_up.py`. With --pages or --dagster only our own pages or Dagster's are taken, with --terminal only
what commands show; --look FOLDER takes every page at two widths, for somebody to look at. `digest.png` is the page that
`fleexmon digest --html` writes.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import struct
import subprocess
import sys
import tempfile
import zlib
from base64 import b64encode
from datetime import datetime, timedelta
from io import StringIO
from pathlib import Path

import httpx
from playwright.sync_api import Browser, Page, sync_playwright
from rich.console import Console
from rich.text import Text

from fleexmon_pipeline_tests.commands import a_terminal

PROJECT = Path(__file__).parent.parent
IMAGES = PROJECT / "docs" / "images"
FLEEXMON = str(Path(sys.executable).with_name("fleexmon"))
UI = f"http://127.0.0.1:{os.environ.get('FLEEXMON_PORT', '3000')}"
GROUPS = ("monitoring", "reporting", "storage")
ROW_PIXELS = 200  # of an hour in the list of events
LOCATION = "fleexmon_pipeline.definitions"
SETTLE_MS = 4_000  # the graph is laid out, and zooms to fit
COLUMNS = 118
PAGE = """<meta charset="utf-8"><style>
  body {{ margin: 0; background: #fff; color: #24292f; }}
  pre {{ display: inline-block; margin: 0; padding: 14px 18px; font: 13.29px/18px "DejaVu Sans Mono", monospace; }}
</style><pre>{text}</pre>"""
# A browser's PNG of a page of text has 250 kB. With six shades of each colour and a palette it is a fifth of that.
PIXELS = """async png => {
  const image = new Image();
  image.src = "data:image/png;base64," + png;
  await image.decode();
  const canvas = new OffscreenCanvas(image.width, image.height), context = canvas.getContext("2d");
  context.drawImage(image, 0, 0);
  const data = context.getImageData(0, 0, image.width, image.height).data, palette = new Map(), pixels = [];
  for (let at = 0; at < data.length; at += 4) {
    const colour = [0, 1, 2].map(each => Math.round(data[at + each] / 51) * 51).join();
    if (!palette.has(colour)) palette.set(colour, palette.size);
    pixels.push(String.fromCharCode(palette.get(colour)));
  }
  return [image.width, image.height, [...palette.keys()].join().split(",").map(Number), pixels.join("")];
}"""


def main() -> None:
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if chromium is None:
        sys.exit("there is no chromium, chromium-browser or google-chrome on this machine")
    with tempfile.TemporaryDirectory() as rules, sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--disable-gpu", "--disable-lcd-text"]
        )
        if "--look" in sys.argv:
            look(browser, Path(sys.argv[sys.argv.index("--look") + 1]))
            return
        chosen = {"--dagster", "--pages", "--terminal"} & {*sys.argv}
        if not chosen or "--dagster" in chosen:
            dagster(browser)
        if not chosen or "--pages" in chosen:
            pages(browser)
        if chosen and "--terminal" not in chosen:
            return
        page = browser.new_page(viewport={"width": 1000, "height": 600})
        for name, command, most in (
            ("status", "fleexmon status", 60),
            ("issue", f"fleexmon issues show {_an_issue()}", 62),
            ("compare", f"fleexmon compare {_a_deployment()}", 60),
            ("backtest", f"fleexmon rules backtest --from 2d --rules {_changed_rules(Path(rules))}", 60),
        ):
            page.set_content(PAGE.format(text=_shown(command.replace(rules, "./rules"), _printed(command), most)))
            picture = b64encode(page.locator("pre").screenshot()).decode()
            (IMAGES / f"{name}.png").write_bytes(_png(*page.evaluate(PIXELS, picture)))
            print(f"{IMAGES / name}.png  {(IMAGES / f'{name}.png').stat().st_size:,} bytes")
        browser.close()


def pages(browser: Browser) -> None:
    """Our own pages: now, the incident with most issues, lines; and the first page on a phone."""
    listed = httpx.get(f"{UI}/fleexmon/incidents?state=all", timeout=60).text
    found = re.findall(r'href="(/fleexmon/incidents/[0-9a-f-]+)".*?(\d+) issues?', listed, re.DOTALL)
    most = max(found, key=lambda incident: int(incident[1]))
    for name, path, width, height in (
        ("page-now", "/fleexmon", 1280, 860),
        ("page-incident", most[0], 1280, 900),
        ("page-logs", "/fleexmon/logs?level=warn", 1280, 800),
        ("page-phone", "/fleexmon", 390, 844),
    ):
        page = browser.new_page(viewport={"width": width, "height": height})
        page.goto(f"{UI}{path}")
        page.screenshot(path=IMAGES / f"{name}.png")
        print(f"{IMAGES / name}.png  {(IMAGES / f'{name}.png').stat().st_size:,} bytes")
        page.close()


def dagster(browser: Browser) -> None:
    """The lineage, a run, an asset, an hour, a digest that was opened, and a check that fails."""
    lineage(browser.new_page(viewport={"width": 2500, "height": 1440}))
    a_run(browser.new_page(viewport={"width": 1440, "height": 860}))
    hour, day = _last_partition("raw_logs"), _last_partition("digests")
    for name, path, shown, opened in (
        ("dagster-asset", "/assets/raw_logs", "Columns", None),
        ("dagster-hour", f"/assets/raw_logs?view=partitions&partition={hour}", "received", None),
        ("dagster-digest", f"/assets/digests?view=partitions&partition={day}", "verdict", "digest"),
        ("dagster-check", "/assets/detected_issues?view=checks&checkDetail=deployments_are_sound", "Plots", None),
    ):
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.goto(f"{UI}{path}")
        page.get_by_text(shown, exact=True).first.wait_for()
        page.wait_for_timeout(SETTLE_MS)
        if opened:
            row = page.locator("tr", has=page.get_by_text(opened, exact=True))
            row.get_by_text("[Show Markdown]").first.click()
            page.wait_for_timeout(SETTLE_MS)
        _save(page, IMAGES / f"{name}.png")


def look(browser: Browser, directory: Path) -> None:
    """Every page of Dagster's at two widths."""
    directory.mkdir(parents=True, exist_ok=True)
    groups = ",".join(f"global@global:{group}" for group in GROUPS)
    paths = {
        "overview": "/overview", "runs": "/runs", "backfills": "/runs?view=backfills", "catalog": "/assets",
        "jobs": "/jobs", "automation": "/automation", "lineage": f"/asset-groups?expanded={groups}",
        "deployment": "/deployment", "job": f"/locations/{LOCATION}/jobs/backfill_hours",
        "schedule": f"/locations/{LOCATION}/schedules/monitoring_every_5_minutes",
        "sensor": f"/locations/{LOCATION}/sensors/catch_up",
    }  # fmt: skip
    for asset in ("raw_logs", "analyzed_logs", "detected_issues", "predictions", "digests", "issue_alerts",
                  "archived_logs", "data_retention"):  # fmt: skip
        paths[asset] = f"/assets/{asset}"
        paths[f"{asset}-checks"] = f"/assets/{asset}?view=checks"
    phone = browser.new_context(viewport={"width": 390, "height": 844}, is_mobile=True, device_scale_factor=2)
    desk = browser.new_context(viewport={"width": 1440, "height": 900})
    for width, context in ((1440, desk), (390, phone)):
        for name, path in paths.items():
            page = context.new_page()
            page.goto(f"{UI}{path}", wait_until="networkidle")
            page.wait_for_timeout(SETTLE_MS)
            _save(page, directory / f"{name}-{width}.png")
            page.close()


def _save(page: Page, file: Path) -> None:
    page.screenshot(path=file)
    print(f"{file}  {file.stat().st_size:,} bytes")


def _last_partition(asset: str) -> str:
    query = f'{{ assetNodeOrError(assetKey: {{path: ["{asset}"]}}) {{ ... on AssetNode {{ partitionKeys }} }} }}'
    data = httpx.post(f"{UI}/graphql", json={"query": query}, timeout=60).json()["data"]
    return str(data["assetNodeOrError"]["partitionKeys"][-1])


def lineage(page: Page) -> None:
    """All groups open, without the frame around the graph."""
    groups = ",".join(f"global@global:{group}" for group in GROUPS)
    page.goto(f"{UI}/asset-groups?expanded={groups}")
    page.get_by_text("Latest event").nth(7).wait_for()
    page.wait_for_timeout(SETTLE_MS)
    page.screenshot(path=IMAGES / "lineage.png", clip={"x": 580, "y": 140, "width": 1870, "height": 1200})


def a_run(page: Page) -> None:
    """The run of the first 24 hours, at what `detected_issues` found."""
    query = "{ runsOrError { ... on Runs { results { runId } } } }"
    runs = httpx.post(f"{UI}/graphql", json={"query": query}, timeout=60).json()["data"]["runsOrError"]["results"]
    page.goto(f"{UI}/runs/{runs[-1]['runId']}?logs=open_issues")
    page.get_by_text("open_issues").last.wait_for()
    page.mouse.move(1000, 700)
    page.mouse.wheel(0, -26 * ROW_PIXELS)  # past the hours of `predictions`, which come last
    page.wait_for_timeout(SETTLE_MS)
    page.screenshot(path=IMAGES / "run.png")


def _an_issue() -> str:
    """The newest whose pattern is known: an error that was repeated."""
    found = json.loads(_said("fleexmon issues list --status all --limit 1000 --json"))
    return next(str(issue["id"]) for issue in found if issue["type"] == "repeated-error")[:18]


def _a_deployment() -> str:
    """The first hour and more after the newest deployment that green has had that long."""
    marked = json.loads(_said("fleexmon deployed --list green --json"))
    since = datetime.fromisoformat(max(each["at"] for each in marked))
    return f"--from {since:%Y-%m-%dT%H:%M} --to {since + timedelta(minutes=70):%Y-%m-%dT%H:%M}"


def _changed_rules(directory: Path) -> Path:
    """A rule as somebody would try it: repeated errors from 15 lines on."""
    rule = (PROJECT / "fleexmon_pipeline" / "rules" / "repeated-error.yaml").read_text()
    (directory / "repeated-error.yaml").write_text(rule.replace("more_than: 5", "more_than: 15"))
    return directory


def _said(command: str) -> str:
    arguments = [FLEEXMON, *shlex.split(command)[1:]]
    done = subprocess.run(arguments, capture_output=True, text=True, check=False, timeout=300)
    if done.returncode == 2:
        sys.exit(f"{command}: {done.stderr}")
    return done.stdout


def _printed(command: str) -> str:
    """As a terminal gets it, colours and all."""
    seen = a_terminal.shown(*shlex.split(command)[1:], columns=COLUMNS)
    if seen.process.returncode == 2:
        sys.exit(f"{command}: {seen.text}")
    return seen.raw.replace("\r\n", "\n")


def _shown(command: str, printed: str, most: int) -> str:
    """As HTML: the command after a prompt, and the first `most` lines; a line of three dots where there are more."""
    lines = printed.rstrip().splitlines()
    text = Text.assemble(("$ ", "dim"), (command, "bold"), "\n")
    text.append_text(Text.from_ansi("\n".join(lines[:most])))
    if len(lines) > most:
        text.append("\n…")
    console = Console(record=True, width=COLUMNS + 30, file=StringIO(), force_terminal=True)
    console.print(text, soft_wrap=True)
    return console.export_html(inline_styles=True, code_format="{code}")


def _png(width: int, height: int, palette: list[int], pixels: str) -> bytes:
    """`palette`: red, green and blue of up to 256 colours; `pixels`: a character each, whose code is its colour."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    colours = pixels.encode("latin-1")
    rows = b"".join(b"\0" + colours[row * width : (row + 1) * width] for row in range(height))
    head = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    parts = ((b"IHDR", head), (b"PLTE", bytes(palette)), (b"IDAT", zlib.compress(rows, 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)


if __name__ == "__main__":
    main()
