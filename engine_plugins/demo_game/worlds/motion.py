"""How things move: along tracks, standing still, and limbs that swing on a body."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from engine_plugins.demo_game import geometry as geo
from engine_plugins.demo_game.geometry import F32
from engine_plugins.demo_game.scene import Motion


@dataclass(frozen=True)
class Still:
    """Stands at `matrix`."""

    matrix: F32

    def pose(self, t: float) -> F32:
        """See `Motion.pose`."""
        return self.matrix


@dataclass(frozen=True)
class Track:
    """Travels `points` (K, 3) at `speed` m/s from `start` metres along, and begins again at the end.

    It faces where it goes; the object's front is -z. Bends are as round as the points make them.
    """

    points: F32
    speed: float
    start: float = 0.0

    @classmethod
    def meeting(cls, points: F32, speed: float, place: F32, when: float) -> Track:
        """A track that is at its point nearest to `place` (3,) at time `when`: for what enters a shot."""
        track = cls(points, speed)
        along = np.linspace(0, track._lengths[-1], 512)
        there = np.stack([track._at(metres) for metres in along])
        nearest = float(along[np.linalg.norm(there - place, axis=1).argmin()])
        return cls(points, speed, nearest - speed * when)

    @cached_property
    def _lengths(self) -> NDArray[np.float64]:
        steps = np.linalg.norm(np.diff(self.points.astype(np.float64), axis=0), axis=1)
        return np.concatenate([[0.0], np.cumsum(steps)])

    def _at(self, metres: float) -> NDArray[np.float64]:
        lengths = self._lengths
        i = min(max(int(lengths.searchsorted(metres)) - 1, 0), len(lengths) - 2)
        f = (metres - lengths[i]) / (lengths[i + 1] - lengths[i])
        return self.points[i] * (1 - f) + self.points[i + 1] * f

    def pose(self, t: float) -> F32:
        """See `Motion.pose`."""
        if t not in self._poses:  # a body's limbs all ask for it, for this frame and the one before
            while len(self._poses) > 1:
                self._poses.pop(next(iter(self._poses)))
            self._poses[t] = self._pose(t)
        return self._poses[t]

    @cached_property
    def _poses(self) -> dict[float, F32]:
        return {}

    def _pose(self, t: float) -> F32:
        length = self._lengths[-1]
        here = (self.start + self.speed * t) % length
        ahead, behind = self._at(min(here + 0.6, length)), self._at(max(here - 0.6, 0.0))
        x, _, z = ahead - behind
        return geo.translate(*self._at(here)) @ geo.yaw(float(np.arctan2(-x, -z)))


@dataclass(frozen=True)
class Limb:
    """Hangs on `body` at `joint` and swings about x: `rest` + `swing` sin(2 pi `rate` t + `phase`), in radians."""

    body: Motion
    joint: tuple[float, float, float]
    swing: float
    rate: float
    phase: float
    rest: float = 0.0

    def pose(self, t: float) -> F32:
        """See `Motion.pose`."""
        angle = self.rest + self.swing * float(np.sin(2 * np.pi * self.rate * t + self.phase))
        return np.asarray(self.body.pose(t) @ geo.translate(*self.joint) @ geo.pitch(angle), np.float32)


def rounded(corners: list[tuple[float, float]], radius: float, height: float = 0.0) -> F32:
    """A path (K, 3) through (x, z) `corners`, each bend an arc of about `radius` metres."""
    points = [np.array(corners[0], np.float64)]
    for before, corner, after in zip(corners, corners[1:], corners[2:], strict=False):
        p, q, r = (np.array(v, np.float64) for v in (before, corner, after))
        into, out = p - q, r - q
        a = q + into / np.linalg.norm(into) * radius
        b = q + out / np.linalg.norm(out) * radius
        points += [(1 - s) ** 2 * a + 2 * s * (1 - s) * q + s * s * b for s in np.linspace(0, 1, 9)]
    points.append(np.array(corners[-1], np.float64))
    flat = np.array(points)
    return np.stack([flat[:, 0], np.full(len(flat), height), flat[:, 1]], 1).astype(np.float32)
