"""A browser, where there is one."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest


@pytest.fixture(scope="module")  # its event loop runs meanwhile, and would be in the way of others
def browser() -> Iterator[Any]:
    """A headless Chromium."""
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("no Chromium here: apt-get install chromium")
    playwright = pytest.importorskip("playwright.sync_api", reason="no playwright here: pip install playwright")
    with playwright.sync_playwright() as started:
        chromium = started.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture
def opened(browser: Any, tmp_path: Any) -> Iterator[Callable[..., Any]]:
    """Opens a page; a message on its console, or an error, is a failure."""
    contexts, said = [], []

    def open_page(content: str, **options: Any) -> Any:
        context = browser.new_context(viewport={"width": 1280, "height": 800}, **options)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("dialog", lambda dialog: said.append(dialog.message))
        if content.startswith("http"):
            page.goto(content)
        else:
            path = tmp_path / f"{len(contexts)}.html"
            path.write_text(content)
            page.goto(path.as_uri())
        page.wait_for_selector("[role=treeitem], #empty:not([hidden])")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert said == []
