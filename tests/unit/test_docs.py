"""What the documents promise: commands that work as they are written, and links that lead somewhere."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from realmaster.cli import COMMANDS

ROOT = Path(__file__).parents[2]
WHERE = "*.md", "docs/*.md", "examples/*.md", "engine_plugins/**/*.md", "realmaster/**/*.md"
DOCUMENTS = sorted(path for pattern in WHERE for path in ROOT.glob(pattern))
NAMES = [str(path.relative_to(ROOT)) for path in DOCUMENTS]


@pytest.mark.parametrize("name", NAMES)
def test_a_document_with_commands_says_how_to_get_them(name: str):
    text = (ROOT / name).read_text()
    if re.search(r"^(realmaster|python examples)\b", text, re.MULTILINE):
        assert ".venv/bin/activate" in text


@pytest.mark.parametrize("name", NAMES)
def test_commands_in_documents_exist(name: str):
    words = {word for command in COMMANDS for word in command.split()[:1]}
    text = (ROOT / name).read_text()
    for command in re.findall(r"(?:^|`)realmaster ([a-z][a-z-]*)", text, re.MULTILINE):
        assert command in words, f"{name} speaks of `realmaster {command}`"


@pytest.mark.parametrize("name", NAMES)
def test_links_lead_somewhere(name: str):
    path = ROOT / name
    for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", path.read_text()):
        assert (path.parent / target).exists(), f"{name} links to {target}"


def promises() -> list[str]:
    """What SECURITY.md says: the rows of its table, and the items of its list on how."""
    text = (ROOT / "SECURITY.md").read_text()
    rows = [line for line in text.splitlines() if line.startswith("| ")][2:]
    how = text.partition("## How")[2].partition("\n## ")[0]
    return rows + [item for item in re.split(r"^\* ", how, flags=re.MULTILINE) if item.strip()]


@pytest.mark.parametrize("promise", promises(), ids=lambda promise: promise[:40])
def test_every_promise_of_security_names_a_test_that_exists(promise: str):
    """A name without its folder is in that of the name before it."""
    folder, found = "", []
    for there, name in re.findall(r"`(tests/\w+/)?(test_\w+\.py)`", promise):
        folder = there or folder
        found.append(folder + name)
    assert found and all((ROOT / name).is_file() for name in found), found


def test_development_has_every_extra_whose_tests_run():
    """All but those that need a GPU, or have none; each with a version that was tried."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    ours = next(re.findall(r"\w+", line.partition("[")[2]) for line in extras["dev"] if line.startswith("realmaster["))
    assert set(ours) == set(extras) - {"dev", "gpu", "tensorboard"}
    pinned = {line.partition("==")[0].lower() for line in (ROOT / "constraints.txt").read_text().splitlines()}
    wanted = [*project["dependencies"], *(line for extra in ours for line in extras[extra])]
    assert {re.match(r"[\w-]+", line)[0].lower() for line in wanted} <= pinned
