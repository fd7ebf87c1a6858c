"""The training loop of every stage: AdamW, warm-up and cosine, an average of the weights, resume after a kill.

Beside its whole state a stage keeps a small one, of weights and average in half precision, which can be handed around:
where the whole one is missing, the stage goes on from the small one, and warms up again.

Batches and noise of a step depend on the seed and the step's number alone, so a run that was killed
goes on as if it had not been. Its state is a safetensors file; nothing is ever pickled. Under `accelerate launch` each
process has batches of its own, and the gradient is the mean of all; the first process keeps the state.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import torch
from accelerate import Accelerator
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from realmaster.errors import UserError
from realmaster.models.tensor_files import save_tensors
from realmaster.progress import Progress
from realmaster.training.recipe import Phase, Stage

SAVE_SECONDS = 300.0
WARM_UP = 50
WATCH_STEPS = 500
AVERAGE = 0.998
"""Decay of the moving average of the weights, which is what a stage leaves behind."""
MOMENTS = ("step", "exp_avg", "exp_avg_sq")
"""What AdamW keeps of a parameter."""


@dataclass(frozen=True)
class Run:
    """What all stages of a training run share."""

    checkpoint: Path
    seed: int
    tensorboard: Path | None = None

    def state_file(self, stage: str) -> Path:
        """Where an unfinished stage keeps its state."""
        return self.checkpoint / "unfinished" / f"{stage}.safetensors"

    def forget(self, stage: str) -> None:
        """Deletes the state of a stage that is done."""
        for file in (self.state_file(stage), small(self.state_file(stage))):
            file.unlink(missing_ok=True)


def small(state: Path) -> Path:
    """The small state beside a whole one."""
    return state.with_suffix(".small.safetensors")


Loss = Callable[[np.random.Generator, Phase], Tensor]


class _State:
    """Everything that a step changes, by name, and the file that keeps it."""

    def __init__(self, path: Path, parameters: dict[str, nn.Parameter], optimizer: torch.optim.Optimizer) -> None:
        self.path, self.parameters, self.optimizer = path, parameters, optimizer
        self.average = {name: p.detach().clone() for name, p in parameters.items()}

    def _weights(self) -> dict[str, Tensor]:
        weights = {f"weight.{name}": p.detach() for name, p in self.parameters.items()}
        return weights | {f"average.{name}": value for name, value in self.average.items()}

    def _moments(self) -> dict[str, Tensor]:
        """What the optimizer remembers; nothing of a parameter that has had no gradient yet."""
        return {f"{key}.{name}": self.optimizer.state[p][key] for name, p in self.parameters.items()
                if self.optimizer.state.get(p) for key in MOMENTS}

    def save(self, step: int) -> None:
        """Writes the state after `step` steps, whole or not at all."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        save_tensors(self._weights() | self._moments(), self.path, {"step": str(step)})
        save_tensors({name: value.half() for name, value in self._weights().items()}, small(self.path),
                     {"step": str(step)})

    def load(self) -> tuple[int, int]:
        """Takes up what `save` wrote; returns the step to go on with, and the one since which it has warmed up."""
        whole = self.path.exists()
        path = self.path if whole else small(self.path)
        if not path.exists():
            return 0, 0
        try:
            with safe_open(path, "pt") as file:
                step, there = int((file.metadata() or {})["step"]), set(file.keys())
                for name, p in self.parameters.items():
                    p.data.copy_(file.get_tensor(f"weight.{name}"))
                    self.average[name].copy_(file.get_tensor(f"average.{name}"))
                    if f"step.{name}" in there:
                        self.optimizer.state[p] = {key: file.get_tensor(f"{key}.{name}") for key in MOMENTS}
        except (SafetensorError, OSError, KeyError, ValueError, RuntimeError) as error:
            raise UserError(f"{path} is not the state of this stage ({error}): delete it to begin the stage "
                            "again") from error
        return step, 0 if whole else step

    def follow(self, step: int) -> None:
        """Moves the average after a step."""
        decay = min(AVERAGE, step / (step + 10))
        for name, p in self.parameters.items():
            self.average[name].lerp_(p.detach(), 1 - decay)

    def settle(self) -> None:
        """Leaves the average in the weights."""
        with torch.no_grad():
            for name, p in self.parameters.items():
                p.copy_(self.average[name])


def fit(run: Run, stage: Stage, parameters: dict[str, nn.Parameter], loss: Loss,
        watch: Callable[[int], object] = lambda _: None) -> None:
    """Trains `parameters` (by name) for the stage's steps; at the end they hold their moving average.

    `watch` is called after every `WATCH_STEPS` steps, by the first process.
    """
    accelerator = Accelerator(mixed_precision="bf16", cpu=not torch.cuda.is_available())
    optimizer = torch.optim.AdamW(parameters.values(), lr=stage.peak, weight_decay=1e-4, betas=(0.9, 0.95))
    state = _State(run.state_file(stage.name), parameters, optimizer)
    first, warm = state.load()
    accelerator.wait_for_everyone()
    progress = Progress(stage.name, stage.steps, "steps", done=first)
    board = _board(run, stage.name)
    saved, running = time.monotonic(), 0.0
    for step in range(first, stage.steps):
        for group in optimizer.param_groups:
            fade = 0.5 + 0.5 * np.cos(np.pi * step / stage.steps)
            group["lr"] = stage.peak * (min(1, (step + 1 - warm) / WARM_UP) * fade + 0.01)
        torch.manual_seed(run.seed * 1_000_003 + step + 7_919 * accelerator.process_index)
        with accelerator.autocast():
            value = loss(np.random.default_rng([run.seed, step, accelerator.process_index]), stage.phase(step))
        optimizer.zero_grad()
        accelerator.backward(value)
        if accelerator.num_processes > 1:
            for p in parameters.values():
                mine = torch.zeros_like(p) if p.grad is None else p.grad
                p.grad = cast(Tensor, accelerator.reduce(mine, "mean"))
        nn.utils.clip_grad_norm_(parameters.values(), 1.0)
        optimizer.step()
        state.follow(step)
        running = 0.98 * running + 0.02 * value.item() if step > first else value.item()
        if not accelerator.is_main_process:
            continue
        board(step, running)
        progress.step(note=f"loss {running:.4f}")
        if time.monotonic() - saved > SAVE_SECONDS:
            state.save(step + 1)
            saved = time.monotonic()
        if (step + 1) % WATCH_STEPS == 0:
            watch(step + 1)
    if accelerator.is_main_process:
        progress.close()
    state.settle()


def _board(run: Run, stage: str) -> Callable[[int, float], None]:
    """Writes the running loss for tensorboard, if that is asked for."""
    if run.tensorboard is None:
        return lambda _step, _value: None
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ModuleNotFoundError as error:
        raise UserError("--tensorboard needs one more package: pip install -e '.[tensorboard]'") from error
    writer = SummaryWriter(str(run.tensorboard))
    return lambda step, value: writer.add_scalar(f"loss/{stage}", value, step)
