"""What every benchmark prints and needs."""

from __future__ import annotations

import asyncio
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np


def machine() -> str:
    """One line that names this machine and how busy it is."""
    model = "unknown CPU"
    info = Path("/proc/cpuinfo")
    if info.exists():
        model = next((line.split(":")[1].strip() for line in info.read_text().splitlines()
                      if line.startswith("model name")), model)
    return (f"{model}, {os.cpu_count()} cores, {platform.system()} {platform.machine()}, Python "
            f"{platform.python_version()}, load {os.getloadavg()[0]:.1f}")


def percentiles(values: Sequence[float]) -> str:
    """p50, p90 and p99 in one string."""
    return " ".join(f"p{q} {np.percentile(values, q):.2f}" for q in (50, 90, 99))


def child(code: str, *arguments: str) -> subprocess.Popen[str]:
    """A Python process running `code`; its standard output is ours to read."""
    return subprocess.Popen([sys.executable, "-c", code, *arguments], stdout=subprocess.PIPE, text=True)


def part_of(address: str, path: str) -> str:
    """The address of another part of the page whose printed address, with its token, is given."""
    return address.replace("/?", f"{path}?")


def watch(address: str, seconds: float) -> tuple[int, list[dict[str, Any]]]:
    """Is a viewer of the page for `seconds`: how many pairs came, and every status that did (two a second)."""

    async def view() -> tuple[int, list[dict[str, Any]]]:
        pairs, rows = 0, []
        async with (aiohttp.ClientSession() as http,
                    http.ws_connect(part_of(address, "/ws"), headers={"Origin": part_of(address, "").partition("?")[0]},
                                    max_msg_size=0) as socket):
            await socket.send_json({"next": True})
            ends = time.monotonic() + seconds
            while time.monotonic() < ends:
                message = await socket.receive(timeout=30)
                if message.type is aiohttp.WSMsgType.TEXT:
                    rows.append(json.loads(message.data)["status"])
                else:
                    pairs += 1
                    await socket.send_json({"next": True})
        return pairs, rows

    return asyncio.run(view())


def cpu_seconds(pid: int) -> float:
    """User and system time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
