"""What `render --workers` opens to others: nothing beyond this machine, and nothing without its token."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

from realmaster.config import TINY

pytestmark = [pytest.mark.skipif(not TINY.exists(), reason="no shipped weights"),
              pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")]
SCRIPT = """
import os, stat, sys
from realmaster.config import Model
from realmaster.stream.workers import RayLink
link = RayLink(Model(threads=1), 1)
token = os.environ["RAY_AUTH_TOKEN_PATH"]
print(oct(os.stat(token).st_mode & 0o777), oct(os.stat(os.path.dirname(token)).st_mode & 0o777), flush=True)
sys.stdin.readline()
link.close()
print("left" if os.path.exists(os.path.dirname(token)) else "gone")
"""


def listening(marker: str) -> set[str]:
    """Addresses, as /proc has them, on which processes listen that inherited `marker` in their environment."""
    inodes: set[str] = set()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if marker.encode() in (process / "environ").read_bytes():
                inodes |= {name.readlink().name for name in (process / "fd").iterdir()}
        except OSError:  # it has ended meanwhile
            continue
    found: set[str] = set()
    for table in ("tcp", "tcp6"):
        for line in (Path("/proc/net") / table).read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and f"socket:[{fields[9]}]" in inodes:
                found.add(fields[1].split(":")[0])
    return found


def test_rays_ports_are_on_loopback_and_its_token_is_private(tmp_path):
    pytest.importorskip("ray", reason="needs pip install -e '.[workers]'")
    marker = uuid.uuid4().hex
    before = os.umask(0)
    try:
        process = subprocess.Popen([sys.executable, "-c", SCRIPT], text=True, stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   env=os.environ | {"RM_TEST": marker, "HOME": str(tmp_path)})
    finally:
        os.umask(before)
    try:
        assert process.stdout is not None
        said = next((line for line in process.stdout if line.startswith("0o")), "")
        assert said.split() == ["0o600", "0o700"]
        addresses = listening(marker)
        assert addresses, "Ray listens somewhere"
        loopback = re.compile(r"[0-9A-F]{6}7F|0{16}FFFF0000[0-9A-F]{6}7F|0{24}01000000")
        assert [address for address in addresses if not loopback.fullmatch(address)] == []
        rest, errors = process.communicate("\n", timeout=120)
        assert process.returncode == 0 and "gone" in rest, errors
    finally:
        process.kill()
        process.communicate()
    assert not (tmp_path / ".ray").exists()
