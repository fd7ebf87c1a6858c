"""`realmaster eval`: PSNR and SSIM against the path-traced truth, for the game frame and for the output.

SSIM is scikit-image's, on colour, with its default 7x7 window. Held-out clips are of streets that
no training clip shows (seeds 100000 and up).
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from bridge.server import Backend
from capture.frame import Flags, color_frame
from realmaster.backends import open_backend
from realmaster.commands.render import render_settings
from realmaster.config import Evaluate
from realmaster.errors import UserError
from realmaster.windows import Windower, message

Video = NDArray[np.uint8]


@dataclass(frozen=True)
class Score:
    """Means over a clip: PSNR in dB, SSIM in [-1, 1], and change between frames against the truth's."""

    psnr: float
    ssim: float
    flicker: float


def score(video: Video, truth: Video) -> Score:
    """Compares (T, H, W, 3) u8 with the truth."""
    from skimage.metrics import peak_signal_noise_ratio, structural_similarity

    pairs = list(zip(video, truth, strict=True))
    change = np.abs(np.diff(video.astype(np.float32), axis=0) - np.diff(truth.astype(np.float32), axis=0)).mean()
    return Score(float(np.mean([peak_signal_noise_ratio(t, v) for v, t in pairs])),
                 float(np.mean([structural_similarity(t, v, channel_axis=2) for v, t in pairs])), float(change))


def render_clip(backend: Backend, clip: Video, settings: Evaluate) -> Video:
    """One window of game frames through the model."""
    windower = Windower(backend.spec)
    frames = [color_frame(i, 0, f, flags=Flags.NONE) for i, f in enumerate(clip)]
    cuts = [c for f in frames for c in windower.push(f)]
    window = message(cuts[0], backend.spec, 0, False, render_settings(settings.look))
    return np.stack(backend.render(window, cuts[0].images, None).frames)


def run(settings: Evaluate) -> int:
    """Prints one row a clip and the means; exit status 1 if the output is not closer than the input."""
    try:
        from safetensors.numpy import load_file
    except ModuleNotFoundError as error:
        raise UserError("evaluation needs the eval extra: pip install -e '.[eval]'") from error
    files = sorted(settings.pairs.glob("*.safetensors"))
    if not files:
        raise UserError(f"no clips in {settings.pairs}: render held-out ones with "
                        f"`realmaster pairs --out {settings.pairs} --clips 6 --first-seed 100000 --samples 20`")
    backend = open_backend(settings.model)
    rows: list[tuple[Score, Score]] = []
    strips: list[Video] = []
    print("clip                      game: PSNR  SSIM   flicker | output: PSNR  SSIM   flicker")
    for file in files:
        clip = load_file(file)
        length = backend.spec.length
        game, truth = clip["rendered"][:length], clip["photoreal"][:length]
        output = render_clip(backend, game, settings)
        rows.append((score(game, truth), score(output, truth)))
        strips.append(np.concatenate([game[-1], output[-1], truth[-1]], 1))
        print(f"{file.stem:<24}" + _columns(*rows[-1]))
    before, after = (Score(*np.mean([[r[i].psnr, r[i].ssim, r[i].flicker] for r in rows], 0)) for i in (0, 1))
    print(f"{'mean':<24}" + _columns(before, after))
    if settings.picture:
        cv2.imwrite(str(settings.picture), np.concatenate(strips)[..., ::-1])
    better = after.psnr > before.psnr and after.ssim > before.ssim
    print("the output is closer to the truth than the game frame is" if better else
          "the output is NOT closer to the truth than the game frame is")
    return 0 if better else 1


def _columns(before: Score, after: Score) -> str:
    return (f"     {before.psnr:6.2f} {before.ssim:6.3f} {before.flicker:8.2f}  |      {after.psnr:6.2f} "
            f"{after.ssim:6.3f} {after.flicker:8.2f}")
