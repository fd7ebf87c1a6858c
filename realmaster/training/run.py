"""Runs the stages of a training in order, each from what the one before left.

    CHECKPOINT/stages/vae, base, lora-NAME.safetensors      what each stage leaves
    CHECKPOINT/vae, transformer, lora.safetensors, onnx     the finished model
    CHECKPOINT/variants/VARIANT/vae, lora.safetensors       a finished comparison; its base is the model's
"""

from __future__ import annotations

import shutil
from collections.abc import Callable

import torch
from accelerate import PartialState
from diffusers.models.transformers.transformer_wan import WanTransformer3DModel

from realmaster.errors import UserError
from realmaster.models.large.folder import resolve
from realmaster.models.tiny.autoencoder import TinyVAE
from realmaster.models.tiny.export import export_tiny
from realmaster.models.tiny.files import load_lora, load_transformer, save_lora
from realmaster.training.colour import ColourStatistics
from realmaster.training.data import Pairs, load_pairs
from realmaster.training.few_step import train_few_step
from realmaster.training.large import check_settings, train_large
from realmaster.training.loop import Run
from realmaster.training.recipe import FRAMES, PRESETS, RANK, Stage
from realmaster.training.settings import StageName, Train, Variant
from realmaster.training.streaming_run import StreamingTraining
from realmaster.training.transformer import Latents, encode_all, train_base, train_lora
from realmaster.training.vae import train_vae

ORDER: tuple[StageName, ...] = ("vae", "base", "lora", "few-step")


class Training:
    """One run of `realmaster train`. Data and latents are read when a stage first needs them."""

    order = ORDER

    def __init__(self, settings: Train) -> None:
        self.settings = settings
        self.variant: Variant = settings.variant
        self.preset = settings.preset or "tiny"
        self.run = Run(settings.checkpoint, settings.seed, settings.tensorboard)
        self.stages = settings.checkpoint / "stages"
        self.comparison = self.variant != "tiny" or self.preset == "short"
        self.name = f"{self.preset}-{self.variant}"
        self.lora = self.stages / f"lora-{self.name}.safetensors"
        self.out = settings.checkpoint / "variants" / self.variant if self.comparison else settings.checkpoint
        self._pairs: Pairs | None = None
        self._latents: Latents | None = None

    @property
    def pairs(self) -> Pairs:
        """The training split."""
        if self._pairs is None:
            self._pairs = load_pairs(self.settings.data, with_guides=self.variant == "guides")
        return self._pairs

    @property
    def frames(self) -> int:
        """Frames in a window: one for `per-frame`, else as many as the clips allow."""
        return 1 if self.variant == "per-frame" else min(FRAMES, (self.pairs.rendered.shape[1] - 1) // 4 * 4 + 1)

    @property
    def latents(self) -> Latents:
        """Every clip, encoded by the trained autoencoder."""
        if self._latents is None:
            self._latents = encode_all(TinyVAE.load(self.stages / "vae"), self.pairs, self.frames)
        return self._latents

    def done(self, stage: StageName) -> bool:
        """Whether the stage has left what it should."""
        return {"vae": self.stages / "vae" / "config.json", "base": self.stages / "base" / "config.json",
                "lora": self.lora, "few-step": self.out / "lora.safetensors"}[stage].exists()

    def train(self, name: StageName) -> None:
        """Trains one stage and saves what it leaves."""
        stage = PRESETS[self.preset][name]
        steps: dict[StageName, Callable[[Stage], None]] = {
            "vae": self._vae, "base": self._base, "lora": self._lora, "few-step": self._few_step}
        label = Stage(name if name in {"vae", "base"} else f"{name}-{self.name}", stage.phases, stage.peak)
        steps[name](label)
        self.run.forget(label.name)

    def _vae(self, stage: Stage) -> None:
        train_vae(self.run, stage, self.pairs).save(self.stages / "vae")

    def _base(self, stage: Stage) -> None:
        # Half precision: half the size, and the error is far below training noise.
        train_base(self.run, stage, self.latents).half().save_pretrained(self.stages / "base")

    def _transformer(self) -> WanTransformer3DModel:
        return load_transformer(self.stages / "base")

    def _lora(self, stage: Stage) -> None:
        model = self._transformer()
        train_lora(self.run, stage, model, self.latents, self.variant)
        save_lora(model, self.lora, self._recipe(stage))

    def _few_step(self, stage: Stage) -> None:
        model, vae = self._transformer(), TinyVAE.load(self.stages / "vae")
        load_lora(model, self.lora, trainable=True)
        train_few_step(self.run, stage, model, vae, pairs=self.pairs, frames=self.frames,
                       variant=self.variant)
        vae.save(self.out / "vae")
        if not self.comparison:
            shutil.copytree(self.stages / "base", self.out / "transformer", dirs_exist_ok=True)
            sample = slice(None, None, max(1, len(self.pairs.rendered) // 64))
            ColourStatistics.of(self.pairs.rendered[sample, 0], self.pairs.photoreal[sample, 0]).save(self.out)
        save_lora(model, self.out / "lora.safetensors", self._recipe(stage))
        if not self.comparison:
            height, width = self.pairs.rendered.shape[2:4]
            export_tiny(self.out, self.out / "onnx", width, height, self.frames)

    def _recipe(self, stage: Stage) -> dict[str, str]:
        settings = self.settings
        return {"attention": "one_way", "rank": str(RANK), "alpha": str(RANK), "reference_downscale_factor": "1",
                "base": "tiny", "variant": self.variant, "frames": str(self.frames), "stage": stage.name,
                "steps": str(stage.steps), "preset": self.preset, "seed": str(settings.seed),
                "clips": str(len(self.pairs.rendered))}


def train(settings: Train) -> None:
    """Trains what the settings ask for and is missing."""
    torch.set_num_threads(settings.threads)
    if settings.model != "tiny":
        check_settings(settings)
        train_large(settings, resolve(settings.model))
        return
    if PartialState(cpu=not torch.cuda.is_available()).num_processes > 1:
        raise UserError("the tiny model is trained by one process: leave accelerate launch out")
    training = StreamingTraining(settings) if settings.variant == "streaming" else Training(settings)
    order = training.order
    wanted = order if settings.stage == "all" else (settings.stage,)
    for stage in wanted:
        if stage not in order:
            raise UserError(f"{stage} is no stage of {settings.variant}: its stages are {', '.join(order)}")
        missing = [before for before in order[:order.index(stage)] if not training.done(before)]
        if missing:
            raise UserError(f"{stage} needs {missing[-1]} first: realmaster train {missing[-1]} --checkpoint "
                            f"{settings.checkpoint}")
        if training.done(stage):
            print(f"{stage}: done before, in {settings.checkpoint}")
        else:
            training.train(stage)
    print(f"{training.out}: trained {', '.join(wanted)}")

