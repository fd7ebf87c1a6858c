"""`realmaster doctor`: what this machine has, and the command for what it lacks."""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
import socket
from collections.abc import Callable
from pathlib import Path

from bridge.errors import BridgeError
from capture.errors import CaptureError
from capture.screen import RegionGrab, ScreenSource
from realmaster.config import Doctor, Model
from realmaster.errors import UserError
from realmaster.models.open import open_backend
from trt_engines.manifest import EngineError


def _python() -> str:
    return platform.python_version()


def _model() -> str:
    spec = open_backend(Model()).spec
    return f"tiny loads, {spec.width}x{spec.height}, windows of {spec.length}"


def _egl() -> str:
    try:
        from engine_plugins.demo_game.raster import NoOpenGLError, open_context
    except ImportError as error:
        raise UserError("moderngl is missing: pip install -e '.[games]'") from error
    try:
        context = open_context()
    except NoOpenGLError as error:
        raise UserError(str(error)) from error
    name = context.info["GL_RENDERER"]
    context.release()
    return str(name)


def _module(name: str, remedy: str) -> Callable[[], str]:
    def check() -> str:
        if importlib.util.find_spec(name) is None:
            raise UserError(remedy)
        return "installed"

    return check


def _gpu() -> str:
    if shutil.which("nvidia-smi") is None:
        raise UserError("no NVIDIA driver: the tiny model runs on the CPU; large models will need a GPU")
    return "nvidia-smi found"


def _screen() -> str:
    source = ScreenSource(RegionGrab())
    source.close()
    return f"{source.info.width}x{source.info.height}"


def _shared_memory() -> str:
    free = shutil.disk_usage("/dev/shm").free >> 20 if Path("/dev/shm").is_dir() else 0  # noqa: S108  its real place
    if free < 256:
        raise UserError(f"{free} MiB free in /dev/shm; a 720p ring takes 75: remount it larger")
    return f"{free} MiB free"


def _port(port: int) -> Callable[[], str]:
    def check() -> str:
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError as error:
                raise UserError(f"port {port} is taken: use `realmaster live --port 0`") from error
        return f"{port} is free"

    return check


def run(settings: Doctor) -> int:
    """Prints a line a check. Exit status 1 if the demo cannot run."""
    needed: dict[str, Callable[[], str]] = {
        "python": _python, "tiny model": _model, "demo game (EGL)": _egl, "shared memory": _shared_memory,
        "page's port": _port(settings.port)}
    optional: dict[str, Callable[[], str]] = {
        "ViZDoom": _module("vizdoom", "pip install -e '.[games]'"), "screen capture": _screen,
        "torch path": _module("torch", "pip install -e '.[train]'"),
        "path tracer": _module("mitsuba", "pip install -e '.[pairs]'"), "GPU": _gpu}
    print(f"{platform.platform()}, {os.cpu_count()} cores")
    failed = sum(not _report(name, check, "MISSING") for name, check in needed.items())
    for name, check in optional.items():
        _report(name, check, "not here")
    print("ready: `realmaster live`" if not failed else f"{failed} thing(s) to mend before `realmaster live` works")
    return 1 if failed else 0


def _report(name: str, check: Callable[[], str], bad: str) -> bool:
    try:
        print(f"  ok        {name}: {check()}")
    except (UserError, CaptureError, BridgeError, EngineError) as error:
        print(f"  {bad:<9} {name}: {error}")
        return False
    return True
