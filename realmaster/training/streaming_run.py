"""Runs the stages of the streaming model's training, each from what the one before left.

    CHECKPOINT/frames                       the pairs' frames, unpacked: can be deleted, is made anew
    CHECKPOINT/stages/codec, flow           what the first two stages leave
    CHECKPOINT/streaming/codec, transformer the finished model, with `recipe.json`
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import torch
from diffusers.models.transformers.transformer_wan import WanTransformer3DModel

from realmaster.errors import UserError
from realmaster.models.tensor_files import read_tensors
from realmaster.models.tiny.causal import Causal, load_transformer
from realmaster.models.tiny.chunks import Chunks
from realmaster.models.tiny.codec import Codec
from realmaster.training.codec import train_codec
from realmaster.training.features import Features
from realmaster.training.frames import Frames
from realmaster.training.loop import Run, small
from realmaster.training.recipe import STREAMING, Stage
from realmaster.training.settings import StageName, Train
from realmaster.training.streaming import train_flow, train_rollout


class StreamingTraining:
    """One run. Data is read when a stage first needs it."""

    order: tuple[StageName, ...] = ("codec", "flow", "rollout")

    def __init__(self, settings: Train) -> None:
        self.settings = settings
        self.preset = settings.preset or "tiny"
        self.run = Run(settings.checkpoint, settings.seed, settings.tensorboard)
        self.stages, self.out = settings.checkpoint / "stages", settings.checkpoint / "streaming"
        self.features = None if settings.features is None else Features(settings.features)
        self._frames: Frames | None = None

    @property
    def frames(self) -> Frames:
        """The training split."""
        if self._frames is None:
            self._frames = Frames(self.settings.data, self.settings.checkpoint / "frames")
        return self._frames

    def done(self, stage: StageName) -> bool:
        """Whether the stage has left what it should."""
        return {"codec": self.stages / "codec" / "config.json", "flow": self.stages / "flow" / "config.json",
                "rollout": self.out / "recipe.json"}[stage].exists()

    def train(self, name: StageName) -> None:
        """Trains one stage and saves what it leaves."""
        steps: dict[StageName, Callable[[Stage], None]] = {
            "codec": self._codec, "flow": self._flow, "rollout": self._rollout}
        steps[name](STREAMING[self.preset][name])
        self.run.forget(name)

    def _codec(self, stage: Stage) -> None:
        train_codec(self.run, stage, self.frames).save(self.stages / "codec")

    def _flow(self, stage: Stage) -> None:
        model = train_flow(self.run, stage, Codec.load(self.stages / "codec"), self.frames)
        model.half().save_pretrained(self.stages / "flow")

    def _rollout(self, stage: Stage) -> None:
        codec = Codec.load(self.stages / "codec")
        model: WanTransformer3DModel = load_transformer(self.stages / "flow")
        train_rollout(self.run, stage, model, codec, frames=self.frames, features=self.features)
        codec.save(self.out / "codec")
        model.half().save_pretrained(self.out / "transformer")
        recipe = {"preset": self.preset, "seed": self.settings.seed, "steps": stage.steps,
                  "clips": len(self.frames.clips), "features": self.features is not None}
        (self.out / "recipe.json").write_bytes(msgspec.json.format(msgspec.json.encode(recipe)) + b"\n")


@torch.no_grad()
def so_far(checkpoint: Path) -> tuple[Chunks, str]:
    """The model in a checkpoint, finished or not, and how far it is. Raises `UserError` if it has no roll-outs yet."""
    if (checkpoint / "streaming" / "recipe.json").exists():
        return Chunks.load(checkpoint / "streaming"), "finished"
    state = small(Run(checkpoint, 0).state_file("rollout"))
    if not state.exists():
        raise UserError(f"{checkpoint} holds no streaming model yet: realmaster train --variant streaming")
    tensors, metadata = read_tensors(state)
    codec, model = Codec.load(checkpoint / "stages" / "codec"), load_transformer(checkpoint / "stages" / "flow")
    for prefix, module in (("codec", codec), ("transformer", model)):
        for name, parameter in module.named_parameters():
            value = tensors.get(f"average.{prefix}.{name}")
            if value is not None:
                parameter.copy_(value)
    return Chunks(codec, Causal(model.eval())), f"{metadata['step']} steps of roll-outs"
