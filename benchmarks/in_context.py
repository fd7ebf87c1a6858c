"""Does an in-context LoRA learn to read its reference? On every backbone's tiny twin, in both attention modes.

The target is the reference with its channels permuted, turned, scaled and shifted: a mapping that only someone who
looks at the same place of the reference can make. First the base learns what targets look like; then it is frozen, and
a LoRA learns the mapping. Printed is the loss on clips that it has not seen, with the true reference, with another
clip's, with none (zeros), at the length that it was trained at and at a longer one. A reference that is silently
ignored gives three equal numbers. `shifted` gives the reference later positions in time than the target, as a plain
concatenation of the two would.

`python -m benchmarks.in_context` takes about half an hour on two cores. Wan2.2-A14B's experts are Wan2.1's transformer
twice, so it is left out.
"""

from __future__ import annotations

import math
import os
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from benchmarks.common import machine
from realmaster.models.large.in_context import Attention, InContext, Reference
from realmaster.models.large.load import Backbone, load_backbone
from realmaster.models.large.tokens import Prompt
from realmaster.training.large import add_lora
from tests.checkpoints import MODELS, TEXT, make

FRAMES, LONGER, SIDE, BATCH = 3, 5, 8, 8
BASE_STEPS, LORA_STEPS = 300, 500
WIDE = 64
"""Numbers in a token beyond which a model trains three times as long."""
Positions = Literal["shared", "shifted"]


class Mapping:
    """Random smooth clips, and what becomes of them."""

    def __init__(self, channels: int) -> None:
        generator = torch.Generator().manual_seed(7)
        self.order = torch.randperm(channels, generator=generator)
        self.gain = torch.rand(channels, generator=generator) + 0.5
        self.gain *= torch.randn(channels, generator=generator).sign()
        self.offset = torch.randn(channels, generator=generator) * 0.5
        self.channels = channels

    def pairs(self, generator: torch.Generator, frames: int) -> tuple[Tensor, Tensor]:
        """Reference and target latents (BATCH, C, frames, SIDE, SIDE)."""
        coarse = torch.randn(BATCH, self.channels, frames, SIDE // 2, SIDE // 2, generator=generator)
        reference = torch.nn.functional.interpolate(coarse, (frames, SIDE, SIDE), mode="trilinear") * 1.5
        wide = (1, -1, 1, 1, 1)
        return reference, reference[:, self.order] * self.gain.view(wide) + self.offset.view(wide)


@dataclass(frozen=True)
class Losses:
    """Held-out losses with the true reference, another clip's, and zeros."""

    true: float
    shuffled: float
    zero: float


class Behind(InContext):
    """What plain concatenation in time does: the reference stands behind the target."""

    def joint(self, noisy: Tensor, timestep: Tensor, prompt: Prompt, references: Sequence[Reference],
              attention: Attention) -> Tensor:
        """See `InContext.joint`; only for one reference and attention `full`."""
        frames = noisy.shape[2]
        levels = torch.cat([timestep[:, None].expand(-1, frames), timestep.new_zeros(len(noisy), frames)], 1)
        return self.plain(torch.cat([noisy, references[0].latents], 2), levels, prompt)[:, :, :frames]


class Student:
    """A tiny twin that learns the mapping."""

    def __init__(self, backbone: Backbone, attention: Attention, positions: Positions) -> None:
        expert = backbone.experts[0]
        self.model, self.attention = expert.model, attention
        self.context = (InContext if positions == "shared" else Behind)(expert.tokens)
        self.mapping = Mapping(backbone.video.channels)
        self.prompt = Prompt(torch.zeros(BATCH, 4, TEXT),
                             None if backbone.family.name == "wan" else torch.ones(BATCH, 4))

    def loss(self, target: Tensor, reference: Tensor | None, generator: torch.Generator) -> Tensor:
        """Of the velocity at random sigmas."""
        sigma = torch.sigmoid(torch.randn(BATCH, generator=generator) + 1)
        noise = torch.randn(target.shape, generator=generator)
        s = sigma.view(-1, 1, 1, 1, 1)
        noisy, wanted = (1 - s) * target + s * noise, noise - target
        if reference is None:
            velocity = self.context.plain(noisy, sigma * 1000, self.prompt)
        else:
            velocity = self.context.joint(noisy, sigma * 1000, self.prompt, [Reference(reference)], self.attention)
        return (velocity - wanted).square().mean()

    def train(self, parameters: list[torch.nn.Parameter], rate: float, steps: int, with_reference: bool) -> None:
        """AdamW, one cycle."""
        generator = torch.Generator().manual_seed(int(with_reference))
        optimizer = torch.optim.AdamW(parameters, rate)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, steps)
        self.model.train()
        for _ in range(steps):
            reference, target = self.mapping.pairs(generator, FRAMES)
            optimizer.zero_grad()
            self.loss(target, reference if with_reference else None, generator).backward()
            torch.nn.utils.clip_grad_norm_(parameters, 1.0)
            optimizer.step()
            schedule.step()
        self.model.eval()

    @torch.no_grad()
    def held_out(self, frames: int) -> Losses:
        """On clips of `frames` latent frames that it has not seen."""
        means: list[float] = []
        for read in (torch.clone, lambda r: r.roll(1, 0), torch.zeros_like):
            generator = torch.Generator().manual_seed(12345)
            pairs = [self.mapping.pairs(generator, frames) for _ in range(8)]
            losses = [self.loss(target, read(reference), generator) for reference, target in pairs]
            means.append(float(torch.stack(losses).mean()))
        return Losses(*means)


def learn(name: str, attention: Attention, positions: Positions = "shared") -> dict[int, Losses]:
    """Trains base and LoRA of a tiny twin; held-out losses by number of latent frames."""
    with tempfile.TemporaryDirectory() as folder:
        backbone = load_backbone(make(name, Path(folder)), torch.float32)
    student = Student(backbone, attention, positions)
    longer = 3 if backbone.video.channels * math.prod(backbone.experts[0].tokens.patch) > WIDE else 1
    student.train(list(student.model.requires_grad_(True).parameters()), 3e-3, BASE_STEPS * longer, False)
    student.model.requires_grad_(False)
    student.train(list(add_lora(student.model, backbone.family).values()), 1e-2, LORA_STEPS * longer, True)
    return {frames: student.held_out(frames) for frames in (FRAMES, LONGER)}


def main() -> None:
    """Prints the table."""
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "2")))
    print(f"{machine()}\n{'':24} {'frames':>6} {'true':>7} {'shuffled':>9} {'zero':>7}")
    for name in sys.argv[1:] or (name for name in MODELS if name != "wan22-a14b"):
        for attention, positions in (("one_way", "shared"), ("full", "shared"), ("full", "shifted")):
            for frames, losses in learn(name, attention, positions).items():
                print(f"{name:12} {attention:8} {positions:8} {frames:2} {losses.true:7.3f} {losses.shuffled:9.3f} "
                      f"{losses.zero:7.3f}", flush=True)


if __name__ == "__main__":
    main()
