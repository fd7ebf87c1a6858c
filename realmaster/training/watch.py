"""Videos while a large model trains: the game, the model so far, the truth, side by side."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from bridge.contract import ModelSpec, RenderSettings, Window
from capture.video.encode import write_clip
from realmaster.models.large.graphs import BackboneGraphs, Running
from realmaster.models.large.in_context import Reading
from realmaster.models.large.load import Backbone
from realmaster.models.large.text import prompts_for
from realmaster.models.sampler import WindowBackend
from realmaster.pairs.dataset import Dataset
from realmaster.training.clips import load_pair
from realmaster.training.settings import Train

DENOISING_STEPS = 4


class Watch:
    """Renders the first validation clip (a training clip, where there is none) through the product's own path."""

    def __init__(self, settings: Train, backbone: Backbone, reading: Reading, device: str) -> None:
        dataset = Dataset(settings.data)
        clip = next((c for c in dataset.clips if c.split == "validation"), None) or dataset.split("train")[0]
        self.rendered, self.photoreal, self.guides = load_pair(dataset, clip, backbone, reading)
        self.backbone, self.device, self.fps = backbone, device, dataset.card.fps
        self.folder = settings.checkpoint / "validation"
        text = prompts_for(backbone.folder, backbone.family, (clip.caption,), backbone.experts[0].model.dtype)[0]
        length, height, width = self.rendered.shape[:3]
        running = Running.of(backbone, reading, backbone.window_tokens(width, height, length))
        self.graphs = BackboneGraphs(backbone, running, lambda _: text, device)

    def __call__(self, name: str) -> Path:
        """Writes CHECKPOINT/validation/NAME.mp4."""
        length, height, width = self.rendered.shape[:3]
        spec = ModelSpec(model="so far", width=width, height=height, length=length, overlap=1,
                         guides=self.guides is not None)
        window = Window(sequence=0, segment=0, start=0, valid=length, continues=False, length=length, width=width,
                        height=height, guides=spec.guides, settings=RenderSettings(steps=DENOISING_STEPS))
        frames = self.rendered if self.guides is None else np.concatenate([self.rendered, self.guides], 1)
        vae = self.backbone.video.vae.to(self.device)
        photos = WindowBackend(self.graphs, spec).render(window, list(frames), None).frames
        vae.to("cpu")
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"{name}.mp4"
        write_clip(path, np.concatenate([self.rendered, np.stack(photos), self.photoreal], 2), self.fps, {"crf": "16"},
                   2)
        return path
