"""The pages in a real browser: nothing runs, nothing overflows, and axe finds no barrier."""

from __future__ import annotations

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Dialog, Page, Request

from fleexmon_pipeline_tests.web.pages.conftest import Site, all_pages

pytestmark = pytest.mark.long


def overheard(page: Page, url: str) -> list[str]:
    """What the page says from now on that it should not: dialogs, violations of its policy, requests elsewhere."""
    said: list[str] = []

    def dismiss(dialog: Dialog) -> None:
        said.append(f"dialog {dialog.message}")
        dialog.dismiss()

    def asked(request: Request) -> None:
        if not request.url.startswith(url):
            said.append(f"asked {request.url}")

    page.on("dialog", dismiss)
    page.on("console", lambda message: said.append(message.text))
    page.on("request", asked)
    return said


def violations(page: Page, **options: object) -> list[tuple[str, list[str]]]:
    """What axe objects to, with the first place of each."""
    found = Axe().run(page, options=options).response["violations"]
    return [(each["id"], each["nodes"][0]["target"]) for each in found]


def test_every_page_is_accessible_fits_and_executes_nothing(browser: Browser, story: Site) -> None:
    """In light and in dark, which differ in colours alone."""
    for width in (390, 1440):
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme="light")
        page = context.new_page()
        said = overheard(page, story.url)
        for path in all_pages(story):
            page.goto(f"{story.url}/fleexmon{path}")

            assert violations(page) == [], (path, width)
            assert page.evaluate("document.documentElement.scrollWidth") <= width, path
            assert page.title() != "owned"
            if width > 1_000:
                page.emulate_media(color_scheme="dark")
                assert page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches")
                assert violations(page, runOnly=["color-contrast"]) == [], (path, "dark")
                page.emulate_media(color_scheme="light")
        assert [text for text in said if "404 (Not Found)" not in text] == []
        context.close()


def test_a_person_finds_a_line_by_forms_and_links(browser: Browser, story: Site) -> None:
    page = browser.new_page()
    page.goto(f"{story.url}/")
    page.get_by_role("navigation", name="Pages").get_by_role("link", name="Logs").click()
    page.get_by_label("Message has").fill("order 51 ")
    page.get_by_role("button", name="Search").click()
    page.locator("ol.lines a").first.click()

    assert page.get_by_text("order 51 shipped").first.is_visible()
    page.get_by_role("link", name="trace-3").click()
    assert page.get_by_text("with this trace or request").is_visible()
    page.close()


def test_a_bar_of_the_histogram_leads_to_its_lines(browser: Browser, story: Site) -> None:
    page = browser.new_page()
    page.goto(f"{story.url}/fleexmon/logs")
    page.get_by_role("link", name="10:00").first.click()

    assert page.locator("ol.lines li").count() > 0
    assert "at=2026-11-20T10%3A30" in page.url
    page.close()
