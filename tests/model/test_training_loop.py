"""The training loop: what was killed goes on as if it had not been, and leaves safetensors only."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from realmaster.errors import UserError  # noqa: E402
from realmaster.training import loop  # noqa: E402
from realmaster.training.loop import Run, fit  # noqa: E402
from realmaster.training.recipe import PRESETS, Phase, Stage  # noqa: E402

STAGE = Stage("toy", (Phase(12, 4, (16, 16)), Phase(8, 2, (16, 16))), 1e-2)


class Killed(BaseException):
    """Stands for a signal: nothing in the loop catches it."""


def train(folder: Path, stop_at: int | None = None, tensorboard: Path | None = None) -> torch.Tensor:
    torch.manual_seed(5)
    layer = torch.nn.Linear(6, 3)
    seen: list[int] = []

    def loss(rng: np.random.Generator, phase: Phase) -> torch.Tensor:
        if len(seen) == stop_at:
            raise Killed
        seen.append(phase.batch)
        x = torch.from_numpy(rng.normal(size=(phase.batch, 6)).astype(np.float32))
        return (layer(x) - x[:, :3] + 0.1 * torch.randn(phase.batch, 3)).square().mean()

    fit(Run(folder, 1, tensorboard), STAGE, dict(layer.named_parameters()), loss)
    return layer.weight.detach().clone()


def test_a_killed_run_goes_on_bit_for_bit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    whole = train(tmp_path / "whole")
    monkeypatch.setattr(loop, "SAVE_SECONDS", 0.0)  # keep the state after every step
    with pytest.raises(Killed):
        train(tmp_path / "cut", stop_at=7)
    assert {f.name for f in (tmp_path / "cut" / "unfinished").iterdir()} == {"toy.safetensors", "toy.small.safetensors"}
    assert torch.equal(train(tmp_path / "cut"), whole)


def test_a_run_goes_on_from_its_small_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    whole = train(tmp_path / "whole")
    monkeypatch.setattr(loop, "SAVE_SECONDS", 0.0)
    with pytest.raises(Killed):
        train(tmp_path / "cut", stop_at=18)
    Run(tmp_path / "cut", 1).state_file("toy").unlink()
    assert torch.allclose(train(tmp_path / "cut"), whole, atol=0.01)


def test_what_gets_no_gradient_until_later_is_kept_as_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(loop, "SAVE_SECONDS", 0.0)

    def run(folder: Path, stop_at: int | None) -> torch.Tensor:
        torch.manual_seed(5)
        early, late = (torch.nn.Parameter(torch.ones(2)) for _ in range(2))
        seen: list[int] = []

        def loss(_rng: np.random.Generator, phase: Phase) -> torch.Tensor:
            if len(seen) == stop_at:
                raise Killed
            seen.append(phase.batch)
            return (early * torch.randn(2)).sum() + ((late * torch.randn(2)).sum() if phase.batch == 2 else 0)

        fit(Run(folder, seed=1), STAGE, {"early": early, "late": late}, loss)
        return late.detach().clone()

    whole = run(tmp_path / "whole", None)
    for stop_at in (5, 15):
        with pytest.raises(Killed):
            run(tmp_path / f"cut{stop_at}", stop_at)
        assert torch.equal(run(tmp_path / f"cut{stop_at}", None), whole)


def test_a_damaged_state_is_refused_with_what_to_do(tmp_path: Path):
    state = Run(tmp_path, 0).state_file("toy")
    state.parent.mkdir(parents=True)
    state.write_bytes(b"\x80\x04not safetensors")
    with pytest.raises(UserError, match="delete it to begin the stage again"):
        train(tmp_path)


def test_what_tensorboard_needs_is_told_before_the_first_step(tmp_path: Path):
    """It is no part of the extra for training."""
    try:
        import torch.utils.tensorboard  # noqa: F401
    except ModuleNotFoundError:
        with pytest.raises(UserError, match=r"pip install -e '\.\[tensorboard\]'"):
            train(tmp_path, stop_at=0, tensorboard=tmp_path)
    else:
        train(tmp_path, tensorboard=tmp_path / "board")
        assert list((tmp_path / "board").iterdir())


def test_every_preset_ends_on_whole_frames():
    for name in ("short", "tiny"):
        for stage in ("base", "lora", "few-step"):
            assert PRESETS[name][stage].phases[-1].crop == (144, 256), (name, stage)
