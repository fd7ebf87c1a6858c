"""Checks of clocks, matrices, values of depth, jitter, stale buffers, and of an interface in the colour."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from capture.checks import check_camera
from capture.errors import BadFrame
from capture.frame import Flags, Frame, Kind
from realmaster.guides.buffers import inverse_depth, motion
from realmaster.guides.probe.pairs import Examination, Pair, edge_match, edges
from realmaster.guides.probe.steady import can_tell, may_stay
from realmaster.guides.warp import geometric_motion

JITTER_PX = (0.02, 2.0)
"""Shifts of the projection from frame to frame, in pixels, that count as jitter of temporal anti-aliasing."""
STALE_SHARE = 0.2
INTERFACE_SHARE = 0.002
"""The share of the picture that must stay while the rest moves, to count as an interface."""


def check_clock(frames: Sequence[Frame], seen: Examination) -> None:
    """Checks the numbers and times of the frames."""
    lost = sum(frame.dropped for frame in frames)
    if lost:
        seen.note("frames", f"{lost} frames were lost beside the {len(frames)} read: reader or game was too slow")
    pairs = list(itertools.pairwise(frames))  # subtraction below uses Python's integers, which cannot overflow
    steps = [b.t_capture_ns - a.t_capture_ns for a, b in pairs]
    if any(step < 0 for step in steps):
        seen.wrong("clock", "capture times run backwards: use the monotonic clock, in nanoseconds")
    elif any(step > 3600e9 for step in steps):
        seen.wrong("clock", "capture times jump by hours: use the monotonic clock, in nanoseconds")
    if any(b.frame_id <= a.frame_id for a, b in pairs):
        seen.wrong("frames", "frame numbers do not rise: count every frame that is published")
    game = [(b.t_game - a.t_game, b.dt) for a, b in pairs
            if b.frame_id == a.frame_id + 1 and not b.flags & (Flags.RESET | Flags.PAUSED)]
    if game and any(dt for _, dt in game):
        off = [abs(step - dt) > 0.2 * max(dt, 1e-3) for step, dt in game]
        if np.mean(off) > 0.5:
            seen.wrong("clock", "dt is not the step of t_game: both are the game's own seconds")


def check_cameras(frames: Sequence[Frame], seen: Examination) -> list[Frame]:
    """Checks the camera matrices. Returns the frames, without the cameras that are invalid."""
    good: list[Frame] = []
    told: list[str] = []
    for frame in frames:
        try:
            if frame.camera is not None:
                check_camera(frame.camera)
        except BadFrame as error:
            told.append(str(error))
            frame = replace(frame, camera=None)  # noqa: PLW2901  the same frame, without what is wrong
        good.append(frame)
    if told:
        seen.wrong("camera", f"{told[0]}, in {len(told)} of {len(frames)} frames")
    return good


def check_depth_values(frames: Sequence[Frame], seen: Examination) -> bool:
    """Checks that depth is there, finite and not constant. Returns whether it can be checked further."""
    with_depth = [frame for frame in frames if Kind.DEPTH in frame.buffers]
    if not with_depth:
        seen.note("depth", "no depth: nothing can be checked or followed in space")
        return False
    if len(with_depth) < len(frames):
        seen.note("depth", f"{len(frames) - len(with_depth)} of {len(frames)} frames have no depth: they are followed "
                           "by optical flow alone")
    values = [frame.buffers[Kind.DEPTH].data[..., 0].astype(np.float32) for frame in with_depth[::5]]
    if any(not np.isfinite(v).all() for v in values):
        seen.wrong("depth", "depth holds NaN or infinity: the sky is 0 as inverse depth, far away as linear depth")
    elif any((v < 0).any() for v in values):
        seen.wrong("depth", "depth is negative in places: it is the distance along the view axis, or 1 over it")
    elif all(float(v.std()) <= 1e-3 * float(np.abs(v).mean() + 1e-9) for v in values):
        seen.wrong("depth", "depth is the same everywhere: the buffer is not what the game draws into")
    else:
        _check_up(with_depth, seen)
        return True
    return False


def _check_up(frames: Sequence[Frame], seen: Examination) -> None:
    """Checks that infinitely far pixels (the sky) do not lie below near ones."""
    rows: list[float] = []
    for frame in frames[::5]:
        inverse = inverse_depth(frame)
        sky, near = inverse <= 0, inverse >= np.percentile(inverse, 80)
        if 0.02 < sky.mean() < 0.7:
            y = np.arange(len(inverse))[:, None] / len(inverse)
            rows.append(float((y * sky).sum() / sky.sum() - (y * near).sum() / near.sum()))
    if rows and np.median(rows) > 0.2:
        seen.wrong("rows", "the sky lies below what is near: all rows run bottom-up, flip every buffer")


def check_jitter(frames: Sequence[Frame], seen: Examination) -> None:
    """Checks that the matrices are without the jitter of temporal anti-aliasing."""
    cameras = [frame.camera for frame in frames if frame.camera is not None]
    if len(cameras) < 3:
        return
    width, height = frames[0].size
    shifts = np.array([(c.projection[0, 2] * width / 2, c.projection[1, 2] * height / 2) for c in cameras])
    change = float(np.abs(np.diff(shifts, axis=0)).mean())
    if JITTER_PX[0] < change < JITTER_PX[1]:
        seen.wrong("camera", f"the projection shifts by {change:.2f} px from frame to frame: hand over the matrices "
                             "without jitter")


def check_stale(pairs: Sequence[Pair], seen: Examination, with_depth: bool) -> None:
    """Checks for buffers that stay the same while the picture moves, although their content should change."""
    for kind in (Kind.MOTION, Kind.NORMAL, *([Kind.DEPTH] if with_depth else [])):
        both = [p for p in pairs if kind in p.before.buffers and kind in p.now.buffers]
        both = [p for p in both if can_tell(p, kind)] or both
        same = [_same(p, kind) and not (can_tell(p, kind) and may_stay(p, kind)) for p in both]
        if both and np.mean(same) > STALE_SHARE:
            seen.wrong(kind.name.lower(), f"{kind.name.lower()} stays the same while the picture moves, in "
                                          f"{sum(same)} of {len(same)} frames: it is read back from an old frame")
            return
    both = [p for p in pairs if Kind.DEPTH in p.before.buffers and Kind.DEPTH in p.now.buffers]
    if with_depth and both:
        late = np.array([edge_match(p.before, inverse_depth(p.now)) - edge_match(p.before, inverse_depth(p.before))
                         for p in both])
        warped = [_fits_before(pair) for pair in both]
        if late.mean() > 0.03 and np.mean(late > 0) > 0.8 and np.mean(warped) >= 0:
            seen.wrong("depth", "depth fits the frame before better than its own: it is read back late")


def _same(pair: Pair, kind: Kind) -> bool:
    before, now = pair.before.buffers[kind].data, pair.now.buffers[kind].data
    return np.array_equal(before, now) and float(np.abs(now).max()) > 0


def _fits_before(pair: Pair) -> float:
    """Compares two depths for warping this frame back to the frame before: this frame's, and that frame's own.

    This is needed because edges alone can mislead, for example in foliage.

    Returns:
        The gain by this frame's depth minus that by the other, in dB; 0 without a camera.
    """
    camera = pair.now.camera
    if camera is None:
        return 0.0
    back = replace(camera, view=camera.previous_view, projection=camera.previous_projection,
                   previous_view=camera.view, previous_projection=camera.projection)
    own, this = (Pair(pair.now, pair.before, pair.still_db).gain(
        geometric_motion(inverse_depth(frame), back, frame.metres_per_unit)) for frame in (pair.before, pair.now))
    return this - own


def _speed(frame: Frame) -> NDArray[np.float32] | None:
    """The distance in pixels, (H, W), that each point moved since the frame before; None if no buffer gives it."""
    if Kind.MOTION in frame.buffers:
        vectors = motion(frame)
    elif frame.camera is not None and Kind.DEPTH in frame.buffers:
        vectors = geometric_motion(inverse_depth(frame), frame.camera, frame.metres_per_unit)
    else:
        return None
    return np.asarray(np.linalg.norm(vectors, axis=-1), np.float32)


def check_interface(frames: Sequence[Frame], seen: Examination) -> None:
    """Checks for an interface drawn into the scene: edges that stay while everything else moves."""
    told = any(frame.flags & Flags.HUD_IN_COLOR or Kind.SCENE_COLOR in frame.buffers for frame in frames)
    chosen = [frame for frame in frames if frame.size == frames[0].size][::max(1, len(frames) // 16)]
    pictures = np.stack([frame.rgb for frame in chosen])
    still = (pictures.max(0).astype(int) - pictures.min(0)).max(-1) <= 2
    drawn = cv2.dilate(edges(pictures[0]).astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    should_move = [speed > 1 for frame in chosen if (speed := _speed(frame)) is not None]
    if float(still.mean()) > 0.5 or not should_move:
        return  # most of the picture stands still, or no buffer tells where it moves
    share = float((still & drawn & (np.mean(should_move, 0) > 0.7)).mean())
    seen.figures["stays while the rest moves, share"] = share
    if share > INTERFACE_SHARE and not told:
        seen.wrong("colour", f"{share:.1%} of the picture stays, edges and all, while the rest moves: an interface is "
                             "in the colour; hand over SCENE_COLOR too, or set HUD_IN_COLOR")
