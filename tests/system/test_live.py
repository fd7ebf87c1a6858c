"""The main job, as a user runs it: real processes, a real game, and a real browser on the page."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from realmaster.config import TINY

PATIENCE = 90.0
pytestmark = pytest.mark.skipif(not TINY.exists(), reason="no shipped weights")


@contextmanager
def running(*arguments: str, **environment: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """`realmaster live` on a free port, and its address."""
    process = subprocess.Popen(
        [sys.executable, "-m", "realmaster", "live", "--port", "0", *arguments], text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env={**os.environ, **environment})
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        found = re.search(r"http://\S+", line)
        assert found, line + (process.stdout.read() if process.poll() is not None else "")
        yield process, found[0]
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


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


CANVAS_SUM = """(() => {
  const c = document.getElementById("%s");
  if (!c.width) return 0;
  const d = c.getContext("2d").getImageData(0, 0, c.width, c.height).data;
  let s = 0; for (let i = 0; i < d.length; i += 97) s = (s * 31 + d[i]) %% 1000003; return s;
})()"""


@pytest.mark.parametrize("game", ["demo", "vizdoom"])
def test_the_page_shows_a_moving_game_and_its_photoreal_version(game, tmp_path):
    pytest.importorskip("moderngl" if game == "demo" else "vizdoom")
    with running("--game", game) as (process, address), browser(tmp_path) as driver:
        driver.get(address)
        wait_for(driver, "document.getElementById('state').className === 'live'")
        wait_for(driver, "Number(document.getElementById('stage').dataset.pairs) > 5")
        for canvas in ("game", "photo"):
            before = wait_for(driver, CANVAS_SUM % canvas)
            wait_for(driver, f"{CANVAS_SUM % canvas} !== {before}")
        assert driver.execute_script("return document.getElementById('photo').width") == 256
        wait_for(driver, "/[1-9]/.test(document.getElementById('fps-out').textContent)")
        assert not driver.find_element("id", "notice").is_displayed()
        press_keys(driver)
        end_with_ctrl_c(process)
        wait_for(driver, "document.getElementById('notice').textContent.includes('stopped')")
        no_script_errors(driver)


def press_keys(driver) -> None:
    """Everything can be done from the keyboard."""
    body = driver.find_element("tag name", "body")
    body.send_keys("s")
    assert "side" in driver.find_element("id", "stage").get_attribute("class")
    body.send_keys("w")
    body.send_keys("\ue014\ue014")  # arrow right, twice
    assert driver.find_element("id", "handle").get_attribute("aria-valuenow") == "54"
    body.send_keys("[")
    assert driver.find_element("id", "strength-value").text == "95%"
    wait_for(driver, "document.getElementById('strength').value === '95'")


def end_with_ctrl_c(process: subprocess.Popen[str]) -> None:
    """One Ctrl-C stops all of it: status 0, nothing left running."""
    children = subprocess.run(["pgrep", "-P", str(process.pid)], capture_output=True, text=True, check=False)
    pids = [int(p) for p in children.stdout.split()]
    assert len(pids) == 2, "a game and a server"
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=30)
    assert process.returncode == 0, output
    assert "Traceback" not in output
    assert "showed" in output
    for pid in pids:
        assert not Path(f"/proc/{pid}").exists()


def no_script_errors(driver) -> None:
    """The page's script threw nothing; refused connections after the end are to be expected."""
    severe = [e["message"] for e in driver.get_log("browser") if e["level"] == "SEVERE"]
    assert all("WebSocket" in message or "ERR_CONNECTION" in message for message in severe), severe


def test_a_window_on_the_screen_is_shown_too(xvfb, tmp_path):
    pytest.importorskip("tkinter")
    from tests.contract.test_sources import PAINTER

    painter = subprocess.Popen([sys.executable, "-c", PAINTER], env={**os.environ, "DISPLAY": xvfb})
    try:
        with window_there(xvfb), running("--source", "screen", "--window", "painted by", DISPLAY=xvfb) as (
                process, address), browser(tmp_path) as driver:
            driver.get(address)
            wait_for(driver, "document.getElementById('state').className === 'live'")
            before = wait_for(driver, CANVAS_SUM % "photo")
            wait_for(driver, f"{CANVAS_SUM % 'photo'} !== {before}")
            process.send_signal(signal.SIGTERM)
            output, _ = process.communicate(timeout=30)
            assert process.returncode == 0, output
    finally:
        painter.kill()
        painter.wait()


@contextmanager
def window_there(display: str) -> Iterator[None]:
    """Waits until the painter's window is on the display."""
    probe = "from capture.screen import window_region; window_region('painted by')"
    deadline = time.monotonic() + 20
    while subprocess.run([sys.executable, "-c", probe], env={**os.environ, "DISPLAY": display}, check=False,
                         stderr=subprocess.DEVNULL).returncode:
        assert time.monotonic() < deadline
    yield


@pytest.mark.parametrize("victim", ["game", "server"])
def test_a_child_that_dies_is_named(victim):
    with running() as (process, _):
        deadline = time.monotonic() + PATIENCE
        pattern = "engine_plugins.demo_game" if victim == "game" else "realmaster serve"
        while True:
            found = subprocess.run(["pgrep", "-P", str(process.pid), "-f", pattern], capture_output=True, text=True,
                                   check=False).stdout.split()
            if found:
                break
            assert time.monotonic() < deadline
        os.kill(int(found[0]), signal.SIGKILL)
        output, _ = process.communicate(timeout=60)
        assert process.returncode == 1
        assert f"the {victim} stopped (status -9)" in output
        assert "Traceback" not in output


def test_children_do_not_outlive_a_killed_parent():
    with running() as (process, _):
        pids: list[str] = []
        deadline = time.monotonic() + PATIENCE
        while len(pids) < 2:
            pids = subprocess.run(["pgrep", "-P", str(process.pid)], capture_output=True, text=True,
                                  check=False).stdout.split()
            assert time.monotonic() < deadline
        process.kill()
        while any(Path(f"/proc/{pid}").exists() and "Z" not in Path(f"/proc/{pid}/stat").read_text().split()[2]
                  for pid in pids):
            assert time.monotonic() < deadline
