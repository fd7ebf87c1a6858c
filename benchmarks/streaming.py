"""The streaming model so far, on clips that it has not seen, beside the shipped model and colour transfer.

Share of the game's squared error against the truth that is closed: over all, in the truth's shadows, on what moves by
itself; SSIM; a distance of features, as a multiple of the game's own, if `--features` is given. Then the time of each
part, how far colours drift over minutes, and pictures: game, shipped model, streaming model, truth.

    python -m benchmarks.streaming --data data/worlds --checkpoint data/checkpoint --out pictures
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.common import machine
from bridge.contract import RenderSettings
from capture.frame import Kind
from realmaster.config import Model
from realmaster.evaluation import metrics
from realmaster.evaluation.drift import to_and_fro
from realmaster.evaluation.stream import stream
from realmaster.models.open import open_backend
from realmaster.models.sampler import noise, sigmas
from realmaster.models.tiny.causal import HISTORY, REFERENCES, Slot, from_noise
from realmaster.models.tiny.chunks import Chunks, Past
from realmaster.models.tiny.codec import GROUP, whole_tokens
from realmaster.pairs.dataset import Dataset, Pair
from realmaster.training.colour import ColourStatistics, to_lab
from realmaster.training.data import to_frames, to_tensor
from realmaster.training.features import Features
from realmaster.training.frames import auxiliary
from realmaster.training.losses import shadows
from realmaster.training.streaming_run import so_far

U8 = NDArray[np.uint8]
KINDS = (Kind.DEPTH, Kind.NORMAL, Kind.OBJECT_ID)


class Streaming:
    """Renders clips group by group."""

    def __init__(self, chunks: Chunks, *, guided: bool, steps: int = 1) -> None:
        self.chunks, self.guided, self.steps = chunks, guided, steps

    def __call__(self, pair: Pair) -> U8:
        guides = auxiliary(pair)[..., :3] if self.guided else None
        return self.video(pair.rendered, guides)

    def video(self, game: U8, guides: U8 | None = None) -> U8:
        """The photoreal version of a game's frames (4n, H, W, 3)."""
        past: Past | None = None
        out: list[U8] = []
        for i in range(0, len(game), GROUP):
            part, seen = (None if v is None else to_tensor(v[i:i + GROUP])[None].numpy() for v in (game, guides))
            assert part is not None
            start = noise(0, 0, i // GROUP, (1, 32, 1, game.shape[1] // 8, game.shape[2] // 8))[:, :, 0]
            pictures, past = self.chunks.render(part, seen, past, [start], self.steps)
            out.append(to_frames(torch.from_numpy(pictures[0])))
        return np.concatenate(out)


def shared(ours: U8, pair: Pair, where: NDArray[np.bool_] | None = None) -> float:
    """Share of the game's squared error that is closed, over the pixels `where`; no number if there are few."""
    if where is not None and where.sum() < 500:
        return float("nan")
    game = metrics.square_error(pair.rendered, pair.photoreal, where)
    return 1 - metrics.square_error(ours, pair.photoreal, where) / game


def figures(ours: U8, pair: Pair, features: Features | None) -> list[float]:
    """One row: gap closed, in shadows, on objects, SSIM, distance of features over the game's."""
    what = auxiliary(pair)[..., 3]
    large = what.repeat(2, 1).repeat(2, 2)
    dark = shadows(to_tensor(pair.rendered)[None], to_tensor(pair.photoreal)[None], torch.from_numpy(what)[None])
    dark = torch.nn.functional.interpolate(dark, scale_factor=4.0)[:, 0].numpy() > 0
    row = [shared(ours, pair), shared(ours, pair, dark), shared(ours, pair, large == 2),
           metrics.ssim(ours[::4], pair.photoreal[::4])]
    if features is not None:
        with torch.no_grad():
            a, b, c = (to_tensor(v[::4]) for v in (ours, pair.photoreal, pair.rendered))
            row.append(float(features.distance(a, b) / features.distance(c, b)))
    return row


def timings(chunks: Chunks, height: int, width: int) -> dict[str, float]:
    """Milliseconds of each part for a group of four frames, the best of some."""
    video = torch.rand(1, GROUP, 3, height, width) * 2 - 1
    codec, causal, one = chunks.codec, chunks.causal, torch.ones(1, dtype=torch.bool)
    with torch.no_grad():
        seen, guides = codec.see(video), whole_tokens(video[..., ::2, ::2])
        latent = seen.latent[:, 0]
        keys = causal.write(latent, "reference")
        slots = [Slot(keys, ago, one) for ago in (*range(REFERENCES), *range(1, HISTORY + 1))]
        parts: dict[str, Callable[[], object]] = {
            "encode": lambda: codec.see(video), "reference": lambda: causal.write(latent, "reference"),
            "step": lambda: from_noise(causal, latent, sigmas(1), latent, slots),
            "decode": lambda: codec.show(latent[:, None], seen, video),
            "history": lambda: causal.write(latent, "history"),
            "guides": lambda: causal.write(codec.see(guides).latent[:, 0], "guides")}
        return {name: min(_spent(part) for _ in range(20)) for name, part in parts.items()}


def _spent(part: Callable[[], object]) -> float:
    began = time.perf_counter()
    part()
    return (time.perf_counter() - began) * 1e3


def drift(ours: Streaming, clip: U8, seconds: int) -> tuple[float, float]:
    """A clip played to and fro: how far the mean Lab colour of its last turn is from its second, and equal frames."""
    clip = clip[:29]  # a turn of 56 frames is whole groups
    order = to_and_fro(clip, seconds * 24 // 56 * 56)
    photos = ours.video(clip[order])
    early, late = photos[56:112], photos[-56:]
    means = [np.mean([to_lab(p).mean((0, 1)) for p in part], 0) for part in (early, late)]
    return (float(np.linalg.norm(means[1] - means[0])),
            float(np.abs(early.astype(np.float32) - late.astype(np.float32)).mean()))


def _methods(dataset: Dataset, chunks: Chunks) -> dict[str, Callable[[Pair], U8]]:
    backend = open_backend(Model())
    known = [dataset.load(clip) for clip in dataset.split("train")[::9]]
    fitted = ColourStatistics.of(np.stack([p.rendered[0] for p in known]), np.stack([p.photoreal[0] for p in known]))
    look = RenderSettings(strength=1.0, steps=1, seed=0)
    return {"the game": lambda p: p.rendered, "colour transfer": lambda p: fitted.apply(p.rendered),
            "told the truth's": lambda p: ColourStatistics.of(p.rendered, p.photoreal).apply(p.rendered),
            "shipped": lambda p: np.stack(stream(backend, p.rendered, look).photos),
            "streaming": Streaming(chunks, guided=False), "2 steps": Streaming(chunks, guided=False, steps=2),
            "with guides": Streaming(chunks, guided=True)}


def main() -> None:
    """Prints the figures and writes the pictures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("data/worlds"))
    parser.add_argument("--checkpoint", type=Path, default=Path("data/checkpoint"))
    parser.add_argument("--features", type=Path)
    parser.add_argument("--clips", type=int, default=8)
    parser.add_argument("--drift-seconds", type=int, default=60)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    torch.set_num_threads(1)
    chunks, how_far = so_far(given.checkpoint)
    dataset, features = Dataset(given.data), None if given.features is None else Features(given.features)
    clips = {clip.name.rsplit("_", 1)[0]: clip for clip in dataset.split("test")}  # one game of each truth
    chosen = list(clips.values())[:given.clips]
    print(f"{machine()}\n{how_far}; {len(chosen)} clips", flush=True)
    methods = _methods(dataset, chunks)
    rows: dict[str, list[list[float]]] = {name: [] for name in methods}
    for clip in chosen:
        pair = dataset.load(clip, KINDS)
        cut = Pair(clip, pair.rendered[:32], pair.photoreal[:32], {k: v[:32] for k, v in pair.buffers.items()}, [])
        videos = {name: method(cut) for name, method in methods.items()}
        for name, video in videos.items():
            rows[name].append(figures(video, cut, features))
        print(f"{clip.name}: " + ", ".join(f"{name} {found[-1][0]:.1%}" for name, found in rows.items()), flush=True)
        if given.out is not None:
            given.out.mkdir(parents=True, exist_ok=True)
            side = [videos[name] for name in ("the game", "shipped", "with guides")] + [cut.photoreal]
            cv2.imwrite(str(given.out / f"{clip.name}.png"), np.concatenate([v[24] for v in side], 1)[..., ::-1])
    print(f"{'':18} gap   shadows objects  SSIM  features")
    for name, found in rows.items():
        print(f"{name:18}" + "  ".join(f"{v:.3f}" for v in np.nanmean(np.array(found), 0)))
    print("ms a group of four frames, one thread: "
          + ", ".join(f"{name} {ms:.1f}" for name, ms in timings(chunks, 144, 256).items()))
    if given.drift_seconds:
        moved, change = drift(Streaming(chunks, guided=False), dataset.load(chosen[0]).rendered, given.drift_seconds)
        print(f"drift over {given.drift_seconds} s: {moved:.2f} delta E, equal frames differ by {change:.2f} of 255")


if __name__ == "__main__":
    main()
