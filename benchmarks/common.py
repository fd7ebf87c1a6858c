"""What every benchmark prints and needs."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

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


def cpu_seconds(pid: int) -> float:
    """User and system time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
