"""Scores of a method over clips, and the table of methods as text, Markdown and CSV."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from capture.frame import Kind
from realmaster.evaluation import metrics
from realmaster.evaluation.metrics import Motion, Video
from realmaster.pairs.dataset import Clip, Pair
from realmaster.stream.stitch import border_ratio

WINDOW, STRIDE = 13, 8
"""The live model's window and stride: which frames begin a chunk, and what "mid-window" means."""


@dataclass(frozen=True)
class Scores:
    """One method on one clip, or the means over clips. `gap`: share of the game's squared error that is closed.

    Ratios are against the truth's own value: 1 is as steady as the photograph.
    """

    gap: float
    psnr: float
    ssim: float
    ms_ssim: float
    edge_f1: float
    blur_ssim: float
    flicker: float
    warp: float
    colour: float
    seam: float
    lpips: float = float("nan")

    @classmethod
    def mean(cls, scores: list[Scores]) -> Scores:
        """Mean over clips; a clip without still pixels or objects does not count for that column."""
        columns = [np.array([getattr(s, f.name) for s in scores]) for f in fields(cls)]
        return cls(*(float(np.nanmean(c)) if np.isfinite(c).any() else float("nan") for c in columns))


HEADINGS = {"gap": "gap closed", "psnr": "PSNR dB", "ssim": "SSIM", "ms_ssim": "MS-SSIM", "edge_f1": "edge F1",
            "blur_ssim": "blur SSIM", "flicker": "flicker", "warp": "warp error", "colour": "object colour",
            "seam": "seam", "lpips": "LPIPS"}
FORMATS = {"gap": "{:.1%}", "psnr": "{:.2f}"}
LEGEND = """\
gap closed: share of the game's squared error against the path-traced truth that is gone; PSNR, SSIM, MS-SSIM: against
the truth. edge F1, blur SSIM: against the game's frame, what of its structure is kept. flicker, warp error, object
colour, seam: change of still points, change along the engine's motion vectors, wandering of objects' mean colour,
and change at chunk borders over that elsewhere, each as a multiple of the truth's own (1: as steady as it)."""


class Judge:
    """Scores videos of one pair."""

    needs = (Kind.DEPTH, Kind.MOTION, Kind.OBJECT_ID)

    def __init__(self, pair: Pair, distance: Callable[[Video, Video], float] | None = None) -> None:
        """`distance`, if there is one, is a perceptual one between clips."""
        self.pair, self.distance = pair, distance
        self.ids: NDArray[np.uint32] = pair.buffers[Kind.OBJECT_ID][..., 0]
        self.motion = Motion(pair.buffers[Kind.MOTION], pair.buffers[Kind.DEPTH][..., 0], self.ids)
        self.borders = list(range(STRIDE, len(pair.rendered), STRIDE))
        self.base_error = metrics.square_error(pair.rendered, pair.photoreal)
        self.own = self._steadiness(pair.photoreal)

    def _steadiness(self, video: Video) -> tuple[float, float, float, float]:
        return (self.motion.flicker(video), self.motion.warp_error(video),
                metrics.colour_stability(video, self.ids), border_ratio(video, self.borders))

    def score(self, video: Video) -> Scores:
        """Every figure of one method's output."""
        pair = self.pair
        error = metrics.square_error(video, pair.photoreal)
        ratios = [ours / own if own > 1e-3 else float("nan")
                  for ours, own in zip(self._steadiness(video), self.own, strict=True)]
        return Scores(1 - error / self.base_error, min(10 * float(np.log10(65025 / max(error, 1e-9))), 99.0),
                      metrics.ssim(video, pair.photoreal), metrics.ms_ssim(video, pair.photoreal),
                      metrics.edge_f1(video, pair.rendered), metrics.blur_ssim(video, pair.rendered), *ratios,
                      lpips=float("nan") if self.distance is None else self.distance(video, pair.photoreal))

    def object_errors(self, video: Video) -> dict[str, tuple[float, float, int]]:
        """Squared error sums of output and game, and pixels, on objects by when they came in."""
        groups = {"there from the start": self._of(lambda entry: entry is None),
                  "enters mid-window": self._of(lambda entry: entry is not None and entry < WINDOW),
                  "enters mid-sequence": self._of(lambda entry: entry is not None and entry >= WINDOW)}
        truth = self.pair.photoreal.astype(np.float32)
        ours, game = (np.square(v.astype(np.float32) - truth).mean(-1) for v in (video, self.pair.rendered))
        return {name: (float(ours[mask].sum()), float(game[mask].sum()), int(mask.sum()))
                for name, mask in groups.items()}

    def _of(self, wanted: Callable[[int | None], bool]) -> NDArray[np.bool_]:
        entries = self.pair.clip.newcomers
        values = [int(v) for v in np.unique(self.ids) if v and wanted(entries.get(str(int(v))))]
        return np.isin(self.ids, values)


def rows_as_text(rows: dict[str, Scores], markdown: bool = False) -> str:
    """The table, aligned for a terminal or as Markdown."""
    names = [f.name for f in fields(Scores) if any(np.isfinite(getattr(s, f.name)) for s in rows.values())]
    cells = [["", *(HEADINGS[n] for n in names)]]
    cells += [[row, *(FORMATS.get(n, "{:.3f}").format(getattr(s, n)) for n in names)] for row, s in rows.items()]
    if markdown:
        lines = ["| " + " | ".join(line) + " |" for line in cells]
        return "\n".join([lines[0], "| --- |" + " ---: |" * len(names), *lines[1:]])
    wide = [max(len(line[i]) for line in cells) for i in range(len(cells[0]))]
    return "\n".join("  ".join(c.ljust(w) if i == 0 else c.rjust(w) for i, (c, w) in
                               enumerate(zip(line, wide, strict=True))) for line in cells)


def write_csv(path: Path, scores: dict[str, list[tuple[Clip, Scores]]]) -> None:
    """One line for each method and clip."""
    names = [f.name for f in fields(Scores)]
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["method", "clip", "world", *names])
        for method, entries in scores.items():
            for clip, s in entries:
                writer.writerow([method, clip.name, clip.world, *(f"{getattr(s, n):.5f}" for n in names)])
