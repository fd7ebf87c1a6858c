"""The rules of who may import whom, checked in fresh interpreters."""

from __future__ import annotations

import ast
import subprocess
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HEAVY = {"torch", "diffusers", "peft", "transformers", "tensorrt", "mitsuba"}
LIGHT = ["capture", "bridge", "engine_plugins", "supervise", "realmaster.stream.session", "realmaster.cli",
         "realmaster.commands.live", "realmaster.commands.serve", "realmaster.commands.render",
         "realmaster.commands.doctor", "realmaster.commands.training", "realmaster.commands.evaluate",
         "realmaster.models.open", "realmaster.models.families.registry", "realmaster.models.families.wan",
         "realmaster.models.families.ltx", "realmaster.models.families.ltx2", "realmaster.models.large.cost",
         "realmaster.commands.models"]
FORBIDDEN = {
    "capture": {"bridge", "realmaster", "trt_engines", "engine_plugins"},
    "bridge": {"capture", "realmaster", "trt_engines", "engine_plugins"},
    "engine_plugins": {"bridge", "realmaster", "trt_engines"},
    "trt_engines": {"bridge", "capture", "engine_plugins", "realmaster"},
    "supervise": {"bridge", "capture", "engine_plugins", "realmaster", "trt_engines"},
}
BANNED = {"pickle", "cloudpickle", "dill", "marshal", "shelve"}


def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.split(".")[0])
    return found


@pytest.mark.parametrize("module", LIGHT)
def test_the_light_half_loads_nothing_heavy(module):
    names = [module]
    folder = ROOT / module
    if folder.is_dir():
        names = [".".join(p.relative_to(ROOT).with_suffix("").parts) for p in folder.rglob("*.py")
                 if p.name != "__main__.py" and imports(p).isdisjoint({"moderngl", "panda3d"})
                 and {folder / "blender", folder / "unreal"}.isdisjoint(p.parents)]  # which run in those programs
    code = f"import sys, {', '.join(names)}; print(sorted(set(sys.modules) & {HEAVY}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"


def test_one_room_touches_video_files():
    for package in [*FORBIDDEN, "realmaster", "scripts", "benchmarks", "examples"]:
        for path in (ROOT / package).rglob("*.py"):
            assert ROOT / "capture" / "video" in path.parents or "av" not in imports(path), path


def test_nothing_unpickles_and_no_foreign_file_reaches_torch_load():
    for package in [*FORBIDDEN, "realmaster"]:
        for path in (ROOT / package).rglob("*.py"):
            assert not imports(path) & BANNED, path
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Attribute) and node.attr in {"recv_pyobj", "send_pyobj"}:
                    pytest.fail(f"{path}: {node.attr}")
                if isinstance(node, ast.Call) and ast.unparse(node.func) in {"torch.load", "eval", "exec"}:
                    pytest.fail(f"{path}: {ast.unparse(node.func)}")


@pytest.mark.parametrize("name", ["bridge", "capture", "engine_plugins", "realmaster", "supervise", "trt_engines"])
def test_our_generic_names_are_ours(name):
    module = __import__(name)
    assert module.__file__ is not None and Path(module.__file__).is_relative_to(ROOT)
    assert set(packages_distributions().get(name, ["realmaster"])) == {"realmaster"}


def test_files_and_functions_stay_small():
    for package in [*FORBIDDEN, "realmaster", "tests", "benchmarks"]:
        for path in (ROOT / package).rglob("*.py"):
            text = path.read_text()
            assert len(text.splitlines()) <= 400, path
            for node in ast.walk(ast.parse(text)):
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno:
                    assert node.end_lineno - node.lineno < 60, f"{path}: {node.name}"
