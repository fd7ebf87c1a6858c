"""The registry of families of large models, and families that other packages add to it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from realmaster.models.families.registry import families, family_of, known_models

ROOT = Path(__file__).parents[2]
MODULE = """
from realmaster.models.families.registry import Family
from realmaster.models.large.cost import KnownModel


def load():
    from other_family_torch import TORCH
    return TORCH


OTHER = Family(name={name!r}, title="Other", transformer={transformer!r}, autoencoder="AutoencoderKLOther", load=load,
               known=(KnownModel("other-1b", "other/other-1b", "MIT", 1.0, 1, 1024, 20, 4096, (4, 8), 2),))
NOTHING = 1
"""


def installed(folder: Path, what: str = "other_family:OTHER", *, name: str = "other",
              transformer: str = "OtherTransformer3DModel") -> Path:
    """A distribution as pip leaves it in a folder: a module, and metadata that name its family."""
    (folder / "other_family.py").write_text(MODULE.format(name=name, transformer=transformer))
    info = folder / "other_family-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: other-family\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[realmaster.families]\nother = {what}\n")
    return folder


def run(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """A fresh interpreter that finds the distribution in `folder`."""
    return subprocess.run([sys.executable, *command], capture_output=True, text=True, check=False, cwd=ROOT,
                          env={"PYTHONPATH": str(folder), "PATH": "/usr/bin:/bin", "HOME": str(folder)})


def test_every_family_is_found_by_the_class_of_its_transformer():
    assert {"wan", "ltx", "ltx2"} <= set(families())
    for name, family in families().items():
        assert family.name == name and family_of(family.transformer) is family and family.known
    assert family_of("UNet2DConditionModel") is None
    assert len({model.name for model in known_models()}) == len(known_models())


def test_what_an_entry_says_is_what_its_torch_half_has():
    pytest.importorskip("torch")
    for family in families().values():
        half = family.load()
        assert half.transformer.__name__ == family.transformer and half.autoencoder.__name__ == family.autoencoder


def test_another_package_adds_a_family(tmp_path):
    done = run(installed(tmp_path), "-m", "realmaster", "models")
    assert done.returncode == 0 and "other/other-1b" in done.stdout and "Wan-AI/Wan2.1-T2V-1.3B" in done.stdout
    code = "import sys; from realmaster.models.families.registry import families; print(*families()); " \
           "print('torch' in sys.modules)"
    assert run(tmp_path, "-c", code).stdout.split() == ["wan", "ltx", "ltx2", "other", "False"]


@pytest.mark.parametrize(("changes", "told"), [
    ({"what": "no_such_module:OTHER"}, "does not load"), ({"what": "other_family:NONE"}, "does not load"),
    ({"what": "other_family:NOTHING"}, "is no Family"), ({"name": "wan"}, "there already"),
    ({"transformer": "WanTransformer3DModel"}, "there already")])
def test_a_family_that_cannot_be_taken_names_its_package(changes, told, tmp_path):
    done = run(installed(tmp_path, **changes), "-m", "realmaster", "models")
    assert done.returncode == 1 and told in done.stderr and "the package other-family" in done.stderr
    assert "Traceback" not in done.stderr
