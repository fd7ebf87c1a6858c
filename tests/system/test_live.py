"""The main job, as a user runs it: real processes, a real game, and a real browser on the page."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import av
import pytest

from benchmarks.common import part_of
from capture.session import SessionSource
from realmaster.config import TINY
from realmaster.launch.children import STEADY_SECONDS
from tests.browser import browser, wait_for
from tests.conftest import moving_frames
from tests.contract.test_sources import record

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


CANVAS_SUM = """(() => {
  const c = document.getElementById("%s");
  if (!c.width) return 0;
  const d = c.getContext("2d").getImageData(0, 0, c.width, c.height).data;
  let s = 0; for (let i = 0; i < d.length; i += 97) s = (s * 31 + d[i]) %% 1000003; return s;
})()"""


@pytest.mark.parametrize("game", ["demo", "vizdoom"])
def test_the_page_shows_a_moving_game_and_its_photoreal_version(game, tmp_path):
    pytest.importorskip("moderngl" if game == "demo" else "vizdoom")
    with running("--game", game, "--sessions", str(tmp_path / "sessions")) as (process, address), browser(
            tmp_path) as driver:
        driver.get(address)
        wait_for(driver, "document.getElementById('state').className === 'live'")
        wait_for(driver, "Number(document.getElementById('stage').dataset.pairs) > 5")
        for canvas in ("game", "photo"):
            before = wait_for(driver, CANVAS_SUM % canvas)
            wait_for(driver, f"{CANVAS_SUM % canvas} !== {before}")
        assert driver.execute_script("return document.getElementById('photo').width") == driver.execute_script(
            "return document.getElementById('game').width")
        wait_for(driver, "/[1-9]/.test(document.getElementById('fps-out').textContent)")
        assert not driver.find_element("id", "notice").is_displayed()
        press_keys(driver)
        record_from_the_page(driver, tmp_path / "sessions")
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


def record_from_the_page(driver, folder: Path) -> None:
    """The record key, again to stop, and the key that saves the last seconds; both make sessions that can be read."""
    line = "document.getElementById('recording').textContent"
    body = driver.find_element("tag name", "body")
    body.send_keys("r")
    wait_for(driver, f"/recording to .*: [1-9]/.test({line})")
    body.send_keys("r")
    wait_for(driver, f"/saved .*take-/.test({line})")
    until(lambda: [path for path in folder.glob("take-*") if path.suffix != ".part"])  # its last pictures are there
    body.send_keys("l")
    wait_for(driver, f"/saved .*replay-/.test({line})")
    for path in folder.iterdir():
        assert SessionSource(path).read(1) is not None
    assert sorted(p.name.split("-")[0] for p in folder.iterdir()) == ["replay", "take"]


def metric(address: str, name: str) -> float:
    """One number of `/metrics`."""
    with urllib.request.urlopen(part_of(address, "/metrics"), timeout=10) as answer:  # noqa: S310  loopback
        found = re.search(rf"^realmaster_{name} (\S+)$", answer.read().decode(), re.MULTILINE)
    return float(found[1]) if found else 0.0


def until(condition) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline


def child_of(process: subprocess.Popen[str], pattern: str) -> int:
    """The living child of `live` whose command line matches."""
    found: list[str] = []

    def look() -> bool:
        found[:] = subprocess.run(["pgrep", "-P", str(process.pid), "-f", pattern], capture_output=True, text=True,
                                  check=False).stdout.split()
        return bool(found)

    until(look)
    return int(found[0])


@pytest.mark.parametrize("victim", ["engine_plugins.demo_game", "realmaster serve"])
def test_a_child_that_ran_well_is_started_again(victim, tmp_path):
    pytest.importorskip("moderngl")
    with running("--log-json", str(tmp_path / "log.jsonl")) as (process, address):
        started = time.monotonic()
        until(lambda: metric(address, "frames_shown_total") > 5 and time.monotonic() > started + 1.2 * STEADY_SECONDS)
        pid = child_of(process, victim)
        os.kill(pid, signal.SIGKILL)
        killed = time.monotonic()
        until(lambda: metric(address, "last_capture_seconds") > killed)
        assert child_of(process, victim) != pid
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=60)
    assert process.returncode == 0 and "starting it again" in output and "Traceback" not in output
    last = json.loads((tmp_path / "log.jsonl").read_text().splitlines()[-1])
    assert last["event"] == "end" and last["percentiles"]["encode"]["p50"] > 0
    assert last["read"] == last["shown"] + sum(n for cause, n in last["dropped"].items() if cause != "source")


def test_record_kill_recover_render(tmp_path):
    """The README's sequence, with a kill -9 in the middle of it."""
    pytest.importorskip("moderngl")
    take = tmp_path / "take"
    process = subprocess.Popen([sys.executable, "-m", "realmaster", "record", "-o", str(take), "--port", "0"],
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    index = tmp_path / "take.part" / "frames.jsonl"
    until(lambda: index.exists() and index.read_bytes().count(b"\n") > 60)
    process.kill()
    process.wait()
    mended = subprocess.run([sys.executable, "-m", "realmaster", "recover", str(take)], capture_output=True, text=True,
                            check=False)
    assert mended.returncode in (0, 3), mended.stderr
    kept = int(re.search(r"(\d+) frames are good", mended.stdout)[1])
    assert kept > 40
    done = subprocess.run([sys.executable, "-m", "realmaster", "render", str(take), "-o", str(tmp_path / "out.mp4")],
                          capture_output=True, text=True, check=False)
    assert done.returncode in (0, 3), done.stderr
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert sum(1 for _ in container.decode(video=0)) == kept


def test_a_session_plays_through_the_page_and_can_be_sought_in(tmp_path):
    take = record(tmp_path / "take", moving_frames(400, 128, 72))
    command = [sys.executable, "-m", "realmaster", "play", str(take), "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        assert process.stdout is not None
        address = re.search(r"http://\S+", process.stdout.readline())[0]
        with browser(tmp_path / "profile") as driver:
            driver.get(address)
            wait_for(driver, "document.getElementById('state').className === 'live'")
            wait_for(driver, "Number(document.getElementById('stage').dataset.pairs) > 5")
            assert not driver.find_element("id", "recorder").is_displayed()
            assert driver.find_element("id", "seek").get_attribute("max") == "15.96"
            driver.execute_script("const s = document.getElementById('seek'); s.value = 15.5; "
                                  "s.dispatchEvent(new Event('input'))")
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(3)  # its end is half a second after that, and there it stays
            process.send_signal(signal.SIGINT)
            output, _ = process.communicate(timeout=60)
        assert process.returncode == 0 and "Traceback" not in output
    finally:
        process.kill()


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
    probe = "from capture.screen import window_grab; window_grab('painted by')"
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
        assert f"the {victim} was ended by SIGKILL" in output
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
