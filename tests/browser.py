"""A real browser for tests of the page."""

from __future__ import annotations

import shutil
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

PATIENCE = 90.0


@contextmanager
def browser(folder: Path):
    """Headless Chromium, driven by its own driver."""
    webdriver = pytest.importorskip("selenium.webdriver")
    if shutil.which("chromedriver") is None:
        pytest.skip("needs chromium and chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium")
    for flag in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run",
                 "--disable-component-update", "--disable-sync", f"--user-data-dir={folder}", "--window-size=1280,960"):
        options.add_argument(flag)
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(shutil.which("chromedriver")))
    try:
        yield driver
    finally:
        driver.quit()


def wait_for(driver, script: str, seconds: float = PATIENCE):
    """The first true value of `script` in the page."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if value := driver.execute_script(f"return {script}"):
            return value
    raise AssertionError(f"never true: {script}; the page says: "
                         + driver.execute_script("return document.body.innerText"))
