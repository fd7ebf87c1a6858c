"""A place over the frames of one clip, as a file: what was rendered can be drawn again whatever becomes of the code.

    about        JSON (u8): caption, sky, yaw, finishes, names of pieces, things, lamps
    views        (T + 1, 4, 4) f32: world to camera, from a frame before the first on
    PIECE.n      position, normal, uv, index of each piece; LAMP.n of each lamp
    poses.n      (1 or T + 1, 3, 4) f32 of each thing
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from engine_plugins.demo_game.geometry import F32, Mesh, merge
from engine_plugins.demo_game.place import Finish, Place, Thing
from engine_plugins.demo_game.scene import RGB, Lamp, Point
from engine_plugins.demo_game.worlds.motion import Still
from realmaster.errors import UserError

WHAT = ("position", "normal", "uv", "index")


@dataclass(frozen=True)
class Frames:
    """Matrices (T + 1, 4, 4), of a frame before the first and of each: a mover's poses or a camera's views."""

    matrices: F32
    fps: float

    def _at(self, t: float) -> F32:
        return self.matrices[int(np.clip(round(t * self.fps) + 1, 0, len(self.matrices) - 1))]

    def pose(self, t: float) -> F32:
        """See `Motion.pose`; `t` counts from the clip's first frame."""
        return self._at(t)

    def view(self, t: float) -> F32:
        """See `Camera.view`."""
        return self._at(t)


class _ThingEntry(msgspec.Struct, frozen=True):
    model: str
    object_id: int
    dress: dict[str, str]


class _LampEntry(msgspec.Struct, frozen=True):
    centre: Point
    radiance: RGB
    power: RGB


class _About(msgspec.Struct, frozen=True):
    caption: str
    sky: str
    yaw: float
    exposure: float
    fps: float
    finishes: dict[str, Finish]
    pieces: list[str]
    things: list[_ThingEntry]
    lamps: list[_LampEntry]


def freeze(place: Place, start: float, frames: int, fps: float, shot_seconds: float) -> Place:
    """The place from game time `start` on, for `frames` frames of one shot; its pieces are merged by finish."""
    times = start + np.arange(-1, frames) / fps
    shot = int(start // shot_seconds)
    camera = place.shots[shot % len(place.shots)]
    views = np.stack([camera.view(float(t) - shot * shot_seconds) for t in times]).astype(np.float32)
    things = [thing if isinstance(thing.motion, Still) else replace(
        thing, motion=Frames(np.stack([thing.motion.pose(float(t)) for t in times]).astype(np.float32), fps))
        for thing in place.things]
    groups: dict[str, list[Mesh]] = {}
    for mesh, finish in place.pieces:
        groups.setdefault(finish, []).append(mesh)
    pieces = tuple((merge(found), finish) for finish, found in groups.items())
    return replace(place, pieces=pieces, things=tuple(things), shots=(Frames(views, fps),))


def save(place: Place, path: Path) -> None:
    """Writes a place that `freeze` gave."""
    camera = place.shots[0]
    assert isinstance(camera, Frames)
    about = _About(place.caption, place.sky, place.yaw, place.exposure, camera.fps, place.finishes,
                   [finish for _, finish in place.pieces],
                   [_ThingEntry(t.model, t.object_id, t.dress) for t in place.things],
                   [_LampEntry(lamp.centre, lamp.radiance, lamp.power) for lamp in place.lamps])
    text = msgspec.json.encode(about, enc_hook=float)  # numpy's numbers
    arrays: dict[str, NDArray[Any]] = {"about": np.frombuffer(text, np.uint8), "views": camera.matrices}
    for kind, meshes in (("piece", [mesh for mesh, _ in place.pieces]), ("lamp", [lamp.mesh for lamp in place.lamps])):
        for i, mesh in enumerate(meshes):
            arrays |= {f"{kind}.{i}.{what}": getattr(mesh, what) for what in WHAT}
    for i, thing in enumerate(place.things):
        poses = thing.motion.matrices if isinstance(thing.motion, Frames) else thing.motion.pose(0)[None]
        arrays[f"poses.{i}"] = poses[:, :3]
    with path.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, **arrays)


def load(path: Path) -> Place:
    """Reads a place that `save` wrote. Raises `UserError` if it is none."""
    try:
        with np.load(path, allow_pickle=False) as found:
            arrays = {name: found[name] for name in found.files}
        about = msgspec.json.decode(arrays["about"].tobytes(), type=_About)
        meshes = {kind: [Mesh(*(arrays[f"{kind}.{i}.{what}"] for what in WHAT)) for i in range(count)]
                  for kind, count in (("piece", len(about.pieces)), ("lamp", len(about.lamps)))}
        things: list[Thing] = []
        for i, entry in enumerate(about.things):
            rows = arrays[f"poses.{i}"]
            last = np.broadcast_to(np.array([[0, 0, 0, 1]], np.float32), (len(rows), 1, 4))
            poses = np.concatenate([rows, last], 1)
            motion = Still(poses[0]) if len(poses) == 1 else Frames(poses, about.fps)
            things.append(Thing(entry.model, motion, entry.object_id, entry.dress))
    except (OSError, KeyError, ValueError, msgspec.MsgspecError) as error:
        raise UserError(f"{path} is no place of a truth clip ({error})") from error
    lamps = tuple(Lamp(mesh, entry.centre, entry.radiance, entry.power)
                  for mesh, entry in zip(meshes["lamp"], about.lamps, strict=True))
    return Place(about.caption, about.sky, about.yaw, about.finishes,
                 tuple(zip(meshes["piece"], about.pieces, strict=True)), tuple(things),
                 (Frames(arrays["views"], about.fps),), lamps, about.exposure)
