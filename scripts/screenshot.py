"""Makes the README's picture: runs `realmaster live`, opens the page in headless Chromium, and takes a screenshot.

Needs Debian's chromium and chromium-driver. Usage: python scripts/screenshot.py docs/preview.png [live flags]
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from selenium import webdriver

SETTLE_SECONDS = 20.0


def main() -> None:
    """Takes the picture."""
    target = Path(sys.argv[1])
    live = subprocess.Popen([sys.executable, "-m", "realmaster", "live", "--port", "0", *sys.argv[2:]],
                            stdout=subprocess.PIPE, text=True)
    assert live.stdout is not None
    found = re.search(r"http://\S+", live.stdout.readline())
    assert found
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or "chromium"
    with tempfile.TemporaryDirectory() as profile:
        for flag in ("--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--window-size=1240,1110",
                     "--disable-background-networking", f"--user-data-dir={profile}"):
            options.add_argument(flag)
        driver = webdriver.Chrome(options, webdriver.ChromeService(shutil.which("chromedriver")))
        try:
            driver.get(found[0])
            ends = time.monotonic() + SETTLE_SECONDS
            while time.monotonic() < ends:
                time.sleep(0.5)
            target.write_bytes(driver.get_screenshot_as_png())
        finally:
            driver.quit()
            live.terminate()
            live.communicate()


if __name__ == "__main__":
    main()
