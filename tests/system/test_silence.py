"""Nothing phones home: every command runs where no other machine can be reached, and whoever tries is named.

The kernel refuses (a network of its own, with loopback alone) and strace records, so that native code is seen too.
"""

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
from tests.conftest import moving_frames
from tests.contract.test_sources import record

PATIENCE = 120.0
ALONE = ["unshare", "--user", "--map-root-user", "--net", "--"]
LOOPBACK = "import fcntl, os, socket, struct, sys;" \
    "fcntl.ioctl(socket.socket(socket.AF_INET, socket.SOCK_DGRAM), 0x8914, struct.pack('16sh', b'lo', 0x41));" \
    "os.execvp(sys.argv[1], sys.argv[1:])"
"""Raises the loopback interface (SIOCSIFFLAGS: up, running), then becomes the command."""
HARMLESS = re.compile(r'sa_family=AF_(?:NETLINK|UNSPEC)|sin_addr=inet_addr\("127\.|inet_pton\(AF_INET6, "::1"'
                      r'|sa_family=AF_UNIX, sun_path=(?!"/run/systemd/resolve)')
"""Addresses on this machine; not of the service that looks names up for us, and no port 53. The name service cache is
asked for users as well as for hosts, which it is told in so many letters."""
pytestmark = [
    pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace (Debian: apt-get install strace)"),
    pytest.mark.skipif(not TINY.exists(), reason="no shipped weights")]


@pytest.fixture(scope="module", autouse=True)
def _alone():
    try:
        done = subprocess.run([*ALONE, "true"], capture_output=True, text=True, timeout=30, check=False)
    except OSError as error:
        pytest.skip(f"needs unshare: {error}")
    if done.returncode:
        pytest.skip(f"this machine allows no network of one's own: {done.stderr.strip()}")


def outside(log: Path) -> list[str]:
    """System calls of a trace that name another machine, or ask somebody for a name's address."""
    return [line for line in log.read_text(errors="replace").splitlines()
            if ("sa_family=" in line and (not HARMLESS.search(line) or "htons(53)" in line)) or r"hosts\0" in line]


@contextmanager
def traced(folder: Path, *arguments: object, code: str = "") -> Iterator[subprocess.Popen[str]]:
    """`realmaster ARGUMENTS`, or Python code, with a home of its own and everything that could mute it taken away."""
    home = folder / "home"
    home.mkdir(exist_ok=True)
    quiet = {"ORT_DISABLE_TELEMETRY", "HF_HUB_DISABLE_TELEMETRY", "DO_NOT_TRACK", "RAY_USAGE_STATS_ENABLED",
             "HF_HUB_OFFLINE", "DISPLAY", "XDG_CACHE_HOME", "XDG_RUNTIME_DIR"}
    environment = {name: value for name, value in os.environ.items() if name not in quiet}
    command = ["-c", code] if code else ["-m", "realmaster", *map(str, arguments)]
    process = subprocess.Popen(
        [*ALONE, sys.executable, "-c", LOOPBACK, "strace", "-f", "-qq", "--seccomp-bpf", "-e",
         "trace=connect,sendto,sendmsg,sendmmsg", "-o", str(folder / "trace"), sys.executable, *command],
        text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment | {"HOME": str(home)},
        start_new_session=True)
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def finished(folder: Path, *arguments: object, code: str = "") -> str:
    with traced(folder, *arguments, code=code) as process:
        said, _ = process.communicate(timeout=PATIENCE)
        assert process.returncode == 0, said
    return said


def assert_silent(folder: Path) -> None:
    assert outside(folder / "trace") == []
    left = {path.relative_to(folder / "home").as_posix() for path in (folder / "home").rglob("*") if path.is_file()}
    assert all(name.startswith((".cache/realmaster/", ".local/state/realmaster/")) for name in left), left


def until(process: subprocess.Popen[str], pattern: str) -> list[str]:
    """Lines that it prints until one matches; then it is asked to end, as Ctrl-C does."""
    lines: list[str] = []
    deadline = time.monotonic() + PATIENCE
    assert process.stdout is not None
    for line in process.stdout:
        lines.append(line)
        if re.search(pattern, line):
            break
        assert time.monotonic() < deadline, lines
    else:
        raise AssertionError("".join(lines))
    return lines


def interrupt(process: subprocess.Popen[str]) -> None:
    """Ctrl-C: to the whole group, as a terminal sends it, but for strace, which ignores it."""
    os.killpg(process.pid, signal.SIGINT)
    process.communicate(timeout=PATIENCE)


@pytest.mark.parametrize("code", [
    "import socket; socket.getaddrinfo('example.org', 80)",
    "import socket; socket.socket().connect(('192.0.2.1', 80))",
    "import ctypes; ctypes.CDLL(None).gethostbyname(b'example.org')"])
def test_the_guard_sees_what_is_tried(tmp_path, code):
    """A name looked up, an address called, and a look-up from native code."""
    with traced(tmp_path, code=code) as process:
        process.communicate(timeout=PATIENCE)
    assert outside(tmp_path / "trace")


def test_render_is_silent(tmp_path):
    session = record(tmp_path / "take", moving_frames(14))
    finished(tmp_path, "render", session, "-o", tmp_path / "out.mp4")
    assert (tmp_path / "out.mp4").stat().st_size > 0
    assert_silent(tmp_path)


def test_doctor_is_silent(tmp_path):
    with traced(tmp_path, "doctor") as process:
        said, _ = process.communicate(timeout=PATIENCE)
    assert "tiny loads" in said
    assert_silent(tmp_path)


def test_serve_is_silent(tmp_path):
    with traced(tmp_path, "serve", "--bind", f"ipc://{tmp_path}/s") as process:
        until(process, "ipc://")
        interrupt(process)
    assert_silent(tmp_path)


def test_live_is_silent_and_so_are_its_children(tmp_path):
    pytest.importorskip("moderngl")
    with traced(tmp_path, "live", "--game", "demo", "--port", "0", "--sessions", tmp_path / "sessions") as process:
        until(process, r"out +[1-9]|[1-9][\d.]* fps")
        interrupt(process)
    assert_silent(tmp_path)


def test_the_libraries_for_large_models_are_silent(tmp_path):
    pytest.importorskip("diffusers")
    finished(tmp_path, code="import realmaster.models.large.open, realmaster.training.run, transformers, accelerate; "
                            "from huggingface_hub.utils import send_telemetry; send_telemetry('x'); "
                            "import time; time.sleep(1)")
    assert_silent(tmp_path)
