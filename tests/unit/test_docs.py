"""What the documents promise: commands that work as they are written, and links that lead somewhere."""

from __future__ import annotations

import re
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
