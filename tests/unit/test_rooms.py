"""Which room of the house may import which, followed through to the end: see ARCHITECTURE.md."""

from __future__ import annotations

import ast
from collections import defaultdict
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("bridge", "capture", "engine_plugins", "realmaster", "supervise", "trt_engines")
BASE = {"realmaster.config", "realmaster.errors", "realmaster.progress", "realmaster.settings"}
"""Modules that any room of `realmaster` may use: the settings' declarations, the users' error, the progress line."""
ALLOWED = {
    "supervise": set[str](),
    "trt_engines": set[str](),
    "bridge.contract": set[str](),
    "bridge": {"bridge.contract", "supervise"},
    "capture": {"supervise"},
    "engine_plugins": {"capture"},
    "realmaster.guides": {"capture"},
    "realmaster.models": {"bridge.contract", "realmaster.guides", "trt_engines"},
    "realmaster.stream": {"bridge", "bridge.contract", "capture", "realmaster.guides", "realmaster.models",
                          "supervise"},
    "realmaster.outputs": {"bridge.contract", "capture", "realmaster.guides", "realmaster.models", "realmaster.stream",
                           "supervise"},
    "realmaster.launch": {"capture", "engine_plugins", "realmaster.stream"},
    "realmaster.pairs": {"capture", "engine_plugins", "realmaster.guides"},
    "realmaster.training": {"bridge.contract", "capture", "realmaster.guides", "realmaster.models", "realmaster.pairs"},
    "realmaster.evaluation": {"bridge.contract", "capture", "realmaster.guides", "realmaster.models",
                              "realmaster.pairs", "realmaster.stream", "realmaster.training"},
}
"""What a room may import beside `BASE`. `realmaster.commands` and `realmaster.cli` may import everything."""
FACE = {"realmaster.commands", "realmaster.cli", "realmaster.__main__", "realmaster"}


def room_of(module: str) -> str:
    """The room that a module stands in."""
    parts = module.split(".")
    if module == "bridge.contract":
        return module
    return ".".join(parts[:2]) if parts[0] == "realmaster" else parts[0]


@cache
def imports() -> dict[str, set[tuple[str, str]]]:
    """For each room, (module, imported module) wherever it imports from another, inside functions too."""
    found: dict[str, set[tuple[str, str]]] = defaultdict(set)
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            module = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
            for name in imported(path):
                if name.split(".")[0] in PACKAGES and room_of(name) != room_of(module):
                    found[room_of(module)].add((module, name))
    return found


def imported(path: Path) -> set[str]:
    """Dotted names that a file imports."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
            names |= {f"{node.module}.{a.name}" for a in node.names if node.module in {"bridge", "realmaster"}}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    return names - {"realmaster", "realmaster.__version__"}


def reach(room: str) -> set[str]:
    """Every room that `room` imports, directly or through others."""
    seen: set[str] = set()
    waiting = [room]
    while waiting:
        for _, name in imports().get(waiting.pop(), set()):
            if room_of(name) not in seen:
                seen.add(room_of(name))
                waiting.append(room_of(name))
    return seen


@pytest.mark.parametrize("room", ALLOWED)
def test_a_room_imports_only_rooms_below_it(room):
    base = BASE if room.startswith("realmaster") else set()
    wrong = [f"{module} imports {name}" for module, name in imports().get(room, set())
             if room_of(name) not in ALLOWED[room] | base]
    assert not wrong


def test_every_room_is_in_the_table():
    rooms = {room_of(m) for found in imports().values() for pair in found for m in pair}
    assert rooms - FACE - BASE <= set(ALLOWED)


def test_there_is_no_circle():
    graph = {room: {room_of(name) for _, name in found} for room, found in imports().items()}
    assert list(TopologicalSorter(graph).static_order()), "CycleError otherwise"


def test_what_renders_never_reaches_the_wire():
    assert "bridge" not in reach("realmaster.models") | reach("realmaster.training") | reach("realmaster.pairs")
    assert not reach("trt_engines")
    assert reach("bridge") == {"bridge.contract", "supervise"}


def test_few_modules_lie_loose():
    loose = {path.stem for path in (ROOT / "realmaster").glob("*.py")} - {"__init__", "__main__"}
    assert len(loose) <= 6, loose
