"""Checks motion vectors, and depth with matrices, by warping: as they are, and in other readings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from capture.checks import MATRICES
from capture.frame import Camera, Kind
from realmaster.guides.buffers import F32, at_size, inverse_depth, motion, picture, reciprocal
from realmaster.guides.motion import estimate_motion
from realmaster.guides.probe.pairs import Examination, Pair, edge_match, mean_gain
from realmaster.guides.probe.spread import LEAST_PX
from realmaster.guides.warp import geometric_motion, psnr, warp

SCALES = {"in centimetres, not metres, or metres_per_unit is 100 times too small": 100,
          "in millimetres, not metres, or metres_per_unit is 1000 times too small": 1000,
          "in feet, not metres": 3.28,
          "100 times too near, or metres_per_unit 100 times too large (the matrices are in centimetres)": 0.01,
          "1000 times too near, or metres_per_unit 1000 times too large (the matrices are in millimetres)": 0.001}
"""Possible faults of the scale of depth, and the factor for 1/depth that would correct each."""
UPSIDE_DOWN = 1.5
"""Depth counts as upside down if its edges fit the picture better by this factor when it is flipped."""
MARGIN_DB = 1.0
"""Another reading is reported only if it gains this many dB more than the given one."""


def check_motion(pairs: Sequence[Pair], seen: Examination) -> None:
    """Checks that the game's motion vectors are there, in pixels, and have the right signs."""
    given_in = [pair for pair in pairs if Kind.MOTION in pair.now.buffers]
    if not given_in:
        seen.note("motion", "no motion vectors: what stands still can be followed by depth and camera, the rest cannot")
        return
    if len(given_in) < len(pairs):
        seen.note("motion", f"{len(pairs) - len(given_in)} of {len(pairs)} frames looked at have no motion vectors")
    pairs = given_in
    vectors = {id(pair): motion(pair.now) for pair in pairs}
    if any(not np.isfinite(v).all() for v in vectors.values()):
        seen.wrong("motion", "motion vectors hold NaN or infinity: write 0 where there is nothing")
        return
    length = float(np.mean([np.linalg.norm(v, axis=-1).mean() for v in vectors.values()]))
    given = mean_gain(pairs, lambda pair: vectors[id(pair)])
    seen.figures |= {"mean motion, px": length, "gain by motion vectors, dB": given}
    if length < 1e-3:
        seen.wrong("motion", "motion vectors are all zero while the picture moves: fill them in, or leave them out")
        return
    width, height = pairs[0].now.size
    readings = {"point the other way (previous = current + motion)": (-1, -1),
                "have y upwards (rows run down)": (1, -1),
                "have x mirrored": (-1, 1), "are half as long as they should be": (2, 2),
                "are twice as long as they should be": (0.5, 0.5),
                "are in widths and heights of the picture, not pixels": (width, height),
                "are in normalised device coordinates, not pixels": (width / 2, height / 2),
                "are in normalised device coordinates with y upwards, not pixels": (width / 2, -height / 2)}
    gains = {text: mean_gain(pairs, lambda pair, by=by: vectors[id(pair)] * np.array(by, np.float32))
             for text, by in readings.items()}
    best = max(gains, key=lambda text: gains[text])
    if gains[best] > given + MARGIN_DB and gains[best] > 0:
        seen.wrong("motion", f"motion vectors {best}: warping by them gains {given:+.1f} dB as they are, "
                             f"{gains[best]:+.1f} dB so")
    elif given <= 0:
        seen.wrong("motion", f"motion vectors do not explain the picture: warping by them gains {given:+.1f} dB")


def check_geometry(pairs: Sequence[Pair], seen: Examination) -> None:
    """Checks depth and matrices together: most of the picture should move as a still world does."""
    pairs = [pair for pair in pairs if pair.now.camera is not None and Kind.DEPTH in pair.now.buffers]
    if not pairs:
        seen.note("camera", "no camera matrices beside the depth: motion cannot be derived from it")
        return
    depths = {id(pair): inverse_depth(pair.now) for pair in pairs}
    raw = {id(pair): at_size(pair.now.buffers[Kind.DEPTH].data, pair.now) for pair in pairs}
    given = mean_gain(pairs, lambda pair: _still(pair, depths[id(pair)]))
    flat = mean_gain(pairs, lambda pair: _still(pair, np.full_like(depths[id(pair)], depths[id(pair)].mean())))
    seen.figures |= {"gain by depth and camera, dB": given, "the same with flat depth, dB": flat,
                     **_where_it_stands(pairs)}
    readings: dict[str, Callable[[Pair], NDArray[Any]]] = {
        "depth is in metres, not 1/metres (or the other way round): name its encoding rightly":
            lambda pair: _still(pair, reciprocal(depths[id(pair)])),
        "depth is the raw z-buffer: make it linear, z = near far / (far - d (far - near))":
            lambda pair: _still(pair, _from_z_buffer(raw[id(pair)], _camera(pair), reverse=False)),
        "depth is the raw, reversed z-buffer: make it linear, z = near far / (near + d (far - near))":
            lambda pair: _still(pair, _from_z_buffer(raw[id(pair)], _camera(pair), reverse=True)),
        "depth has its rows bottom-up: flip it": lambda pair: _still(pair, depths[id(pair)][::-1]),
        "matrices are transposed: they are column-major, for column vectors":
            lambda pair: _still(pair, depths[id(pair)], _transposed(_camera(pair))),
        "the previous matrices are the next ones: previous_view belongs to the frame before":
            lambda pair: _still(pair, depths[id(pair)], _swapped(_camera(pair))),
        **{f"depth is {text}": lambda pair, by=by: _still(pair, depths[id(pair)] * by) for text, by in SCALES.items()}}
    gains = {text: mean_gain(pairs, reading) for text, reading in readings.items()}
    best = max(gains, key=lambda text: gains[text])
    if gains[best] > max(given + MARGIN_DB, flat, 0):
        seen.wrong("depth and camera", f"{best} (warping gains {given:+.1f} dB as it is, {gains[best]:+.1f} dB so)")
    elif given <= 0:
        seen.wrong("depth and camera", f"depth and matrices do not explain the picture: warping by them gains "
                                       f"{given:+.1f} dB")
    else:
        _check_enough(pairs, depths, given, seen)


def _check_enough(pairs: Sequence[Pair], depths: dict[int, F32], given: float, seen: Examination) -> None:
    """Checks that the motion depends on depth. If the camera only turns, it does not, and depth cannot be judged."""
    parallax = float(np.mean([np.linalg.norm(_still(pair, depths[id(pair)]) - _still(pair, depths[id(pair)] * 0),
                                             axis=-1).mean() for pair in pairs]))
    seen.figures["motion that depth makes, px"] = parallax
    if parallax >= LEAST_PX / 2 and given >= MARGIN_DB:
        return
    seen.note("depth", f"too little tells of depth: it moves the picture by {parallax:.2g} px, and warping gains "
                       f"{given:+.2g} dB; walk sideways while this runs (if you did so, depth is far too large)")
    own, flipped = (float(np.median([edge_match(pair.now, at) for pair, at in zip(pairs, way, strict=True)]))
                    for way in ([depths[id(pair)] for pair in pairs], [depths[id(pair)][::-1] for pair in pairs]))
    if flipped > max(UPSIDE_DOWN * own, own + 0.1):
        seen.wrong("depth", "depth has its rows bottom-up: flip it (its edges are the picture's upside down)")


def _where_it_stands(pairs: Sequence[Pair]) -> dict[str, float]:
    """The gain in dB over the pixels where optical flow agrees with depth and camera, and the share of those pixels."""
    gains: list[float] = []
    shares: list[float] = []
    for pair in pairs:
        estimate = estimate_motion(pair.before, pair.now)
        before, now = picture(pair.before), picture(pair.now)
        moved, inside = warp(before, estimate.motion)
        where = estimate.trusted & inside
        shares.append(float(where.mean()))
        if where.any():
            gains.append(psnr(moved, now, where) - psnr(before, now, where))
    return {"gain where the world stands still, dB": float(np.mean(gains)) if gains else 0.0,
            "share of that": float(np.mean(shares))}


def _camera(pair: Pair) -> Camera:
    assert pair.now.camera is not None
    return pair.now.camera


def _still(pair: Pair, depth: NDArray[Any], camera: Camera | None = None) -> NDArray[np.float32]:
    try:
        return geometric_motion(depth, camera or _camera(pair), pair.now.metres_per_unit)
    except np.linalg.LinAlgError:
        return np.full((*depth.shape, 2), 1e6, np.float32)


def _from_z_buffer(d: F32, camera: Camera, reverse: bool) -> F32:
    """1 / view depth from a depth buffer in [0, 1]. An infinite far plane is replaced by a very far one."""
    near, far = camera.near, min(camera.far, 1e6)
    d = np.clip(d, 0, 1)
    return (near + d * (far - near) if reverse else far - d * (far - near)) / (near * far)


def _transposed(camera: Camera) -> Camera:
    return replace(camera, **{name: getattr(camera, name).T for name in MATRICES})


def _swapped(camera: Camera) -> Camera:
    return replace(camera, view=camera.previous_view, previous_view=camera.view)
