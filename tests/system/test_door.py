"""Who may come in to the page: tokens, origins, frames, and connections that only take up room; over real sockets."""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import socket
import stat
import subprocess
import threading
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import aiohttp
import pytest

from benchmarks.common import part_of
from bridge.contract import RenderSettings
from realmaster.errors import UserError
from realmaster.outputs.page import door
from realmaster.outputs.page.door import MAX_CONNECTIONS, page_token
from realmaster.outputs.page.server import Preview
from realmaster.stream.stats import Stats
from tests.browser import browser, wait_for
from tests.system.test_preview import origin_of, shown


@pytest.fixture
def preview():
    page = Preview("127.0.0.1", 0, RenderSettings())
    yield page
    page.close()


def status_of(url: str, **headers: str) -> int:
    try:
        request = urllib.request.Request(url, headers=headers)  # noqa: S310  loopback
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


def test_only_who_knows_the_token_sees_the_page(preview):
    assert status_of(preview.address) == 200
    bare = origin_of(preview)
    assert status_of(f"{bare}/") == status_of(f"{bare}/?token=") == status_of(f"{bare}/?token=x") == 403
    assert status_of(f"{bare}/?token=%C3%A4%FF") == 403
    assert status_of(f"{bare}/static/app.js") == status_of(f"{bare}/metrics") == 200

    async def socket_without_token():
        async with aiohttp.ClientSession() as session:
            await session.ws_connect(f"{bare}/ws", headers={"Origin": bare})

    with pytest.raises(aiohttp.WSServerHandshakeError, match="403"):
        asyncio.run(asyncio.wait_for(socket_without_token(), 20))


def test_every_answer_forbids_frames_and_foreign_scripts(preview):
    for path in ("/", "/static/app.js", "/metrics", "/nothing"):
        with contextlib.suppress(urllib.error.HTTPError):
            answer = urllib.request.urlopen(part_of(preview.address, path), timeout=10)  # noqa: S310  loopback
            assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
            assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
            assert answer.headers["X-Frame-Options"] == "DENY"


def test_metrics_are_not_told_to_names_that_a_stranger_gave_this_machine(preview):
    assert status_of(part_of(preview.address, "/metrics"), Host="rebound.example") == 403
    assert status_of(part_of(preview.address, "/metrics"), Origin="http://evil.example") == 403


@contextlib.contextmanager
def tunnel(port: int):
    """A TCP tunnel from another port of loopback, as `ssh -L` makes it."""
    listener = socket.create_server(("127.0.0.1", 0))

    def copy(source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_WR)

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = listener.accept()
                far = socket.create_connection(("127.0.0.1", port))
                for ends in ((near, far), (far, near)):
                    threading.Thread(target=copy, args=ends, daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.close()


@pytest.mark.browser
def test_the_page_works_through_a_tunnel_on_another_port(preview, tmp_path):
    with tunnel(preview.port) as port, browser(tmp_path) as driver:
        driver.get(preview.address.replace(f":{preview.port}/", f":{port}/").replace("127.0.0.1", "localhost"))
        for number in range(3):
            preview.show(shown(number), Stats())
        wait_for(driver, "Number(document.getElementById('stage').dataset.pairs) > 0")


@pytest.mark.browser
def test_a_stranger_s_page_cannot_put_the_page_into_a_frame(preview, tmp_path):
    class Stranger(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(f'<iframe id="f" src="{preview.address}"></iframe>'.encode())

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Stranger)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        with browser(tmp_path) as driver:
            driver.get(f"http://127.0.0.1:{server.server_port}/")
            driver.switch_to.frame("f")
            assert not driver.find_elements("id", "record")
            assert any("frame" in row["message"].lower() for row in driver.get_log("browser"))
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.browser
def test_keys_work_after_a_slider_was_moved_and_a_swipe_moves_the_divider(preview, tmp_path):
    webdriver = pytest.importorskip("selenium.webdriver")
    preview.show(shown(1), Stats())
    with browser(tmp_path) as driver:
        driver.get(preview.address)
        wait_for(driver, "Number(document.getElementById('stage').dataset.pairs) > 0")
        for slider, key in (("strength", "s"), ("steps", "w")):
            webdriver.ActionChains(driver).click(driver.find_element("id", slider)).send_keys(key).perform()
            name = {"s": "side", "w": "wipe"}[key]
            assert name in driver.find_element("id", "stage").get_attribute("class").split()
        strength = driver.find_element("id", "strength-value").text
        webdriver.ActionChains(driver).send_keys("\ue014").perform()  # arrow right
        assert driver.find_element("id", "handle").get_attribute("aria-valuenow") == "52"
        assert driver.find_element("id", "strength-value").text == strength
        swipe(driver, from_x=600, to_x=200, y=300)
        assert int(driver.find_element("id", "handle").get_attribute("aria-valuenow")) < 30


def swipe(driver, from_x: int, to_x: int, y: int) -> None:
    """A finger on the picture, sideways; a browser that took it for its own gesture would cancel the pointer."""
    driver.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": True})
    for kind, x in (("touchStart", from_x), ("touchMove", (from_x + to_x) // 2), ("touchMove", to_x)):
        driver.execute_cdp_cmd("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": x, "y": y}]})
    driver.execute_cdp_cmd("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})


def test_a_thousand_silent_connections_leave_room_for_a_viewer(preview):
    """Half of them say nothing, half stop in the middle of a request."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    before = len(list(Path("/proc/self/fd").iterdir()))
    silent = []
    try:
        for i in range(min(1000, most // 2 - 100)):
            silent.append(socket.create_connection((preview.host, preview.port), timeout=10))
            if i % 2:
                silent[-1].sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n")
        assert status_of(preview.address) == 200
        held = len(list(Path("/proc/self/fd").iterdir())) - before - len(silent)
        assert held <= MAX_CONNECTIONS + 8, f"the page holds {held} connections open"
    finally:
        for one in silent:
            one.close()


def test_a_connection_that_stays_idle_is_closed(preview, monkeypatch):
    monkeypatch.setattr(door, "IDLE_SECONDS", 0.5)
    with socket.create_connection((preview.host, preview.port), timeout=20) as slow:
        slow.sendall(b"GET / HT")
        with contextlib.suppress(ConnectionResetError):
            assert slow.recv(100) == b""


def test_json_nested_without_end_is_ignored(preview):
    preview.update(Stats())

    async def go():
        own = {"Origin": origin_of(preview)}
        async with (aiohttp.ClientSession() as session,
                    session.ws_connect(part_of(preview.address, "/ws"), headers=own) as page):
            await page.send_str("[" * 16000)
            await page.send_str('{"strength": 0.5}')
            while preview.settings.strength != 0.5:
                await page.receive(timeout=10)

    asyncio.run(asyncio.wait_for(go(), 20))


def test_a_page_on_ipv6_prints_an_address_that_opens():
    try:
        page = Preview("[::1]", 0, RenderSettings())
    except UserError:
        pytest.skip("this machine has no IPv6")
    try:
        assert page.address.startswith("http://[::1]:") and status_of(page.address) == 200
    finally:
        page.close()


@pytest.mark.parametrize("host", ["foo", "", "0.0.0.0", "::", "10.0.0.1", "fe80::1%lo", "127.0.0.1:80",
                                  "localhost.example"])
def test_other_hosts_than_loopback_are_refused_with_a_sentence(host):
    with pytest.raises(UserError, match="loopback"):
        Preview(host, 0, RenderSettings())


def test_the_token_lasts_and_is_the_user_s_own(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    token = page_token()
    path = tmp_path / "realmaster" / "page-token"
    assert page_token() == token and len(token) >= 32
    assert stat.S_IMODE(path.stat().st_mode) == 0o600 and stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    path.chmod(0o644)  # somebody may have read it
    fresh = page_token()
    assert fresh != token and stat.S_IMODE(path.stat().st_mode) == 0o600
    path.unlink()
    path.symlink_to(tmp_path / "planted")
    (tmp_path / "planted").write_text("x" * 40)
    assert page_token() != "x" * 40
    path.unlink()
    path.write_bytes(b"")
    path.chmod(0o600)
    assert len(page_token()) >= 32


def test_where_no_state_can_be_kept_the_token_holds_for_one_run(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    assert page_token() != page_token()


@pytest.mark.skipif(os.getuid() != 0, reason="needs root to become another user")
def test_another_user_of_the_machine_cannot_read_the_token(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    page_token()
    path = tmp_path / "realmaster" / "page-token"
    for folder in path.relative_to("/").parents:  # all but the token's own folder is open to everybody
        if folder != path.parent.relative_to("/"):
            with contextlib.suppress(OSError):
                (Path("/") / folder).chmod(0o755)
    read = subprocess.run(["cat", path], user=65534, capture_output=True, check=False, cwd="/")
    assert read.returncode != 0 and b"Permission denied" in read.stderr and not read.stdout
