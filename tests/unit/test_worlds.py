"""The worlds: data that is the same for the same seed, whole, and moves as it should."""

from __future__ import annotations

import hashlib
import itertools

import numpy as np
import pytest

from engine_plugins.demo_game import geometry as geo
from engine_plugins.demo_game.scene import SHOT_SECONDS, Scene, Shot
from engine_plugins.demo_game.worlds import WORLDS
from engine_plugins.demo_game.worlds.motion import Limb, Still, Track, rounded


def digest(scene: Scene) -> str:
    state = hashlib.sha256(repr((scene.caption, scene.sky, [lamp.centre for lamp in scene.lamps])).encode())
    for part in scene.static:
        state.update(part.mesh.position.tobytes() + part.material.encode())
    for mover in scene.movers:
        state.update(np.asarray(mover.motion.pose(3.21), np.float32).tobytes())
    for name in sorted(scene.materials):
        state.update(scene.materials[name].texture.colour.tobytes())
    return state.hexdigest()


@pytest.mark.parametrize("name", WORLDS)
def test_a_seed_is_a_world(name: str):
    assert digest(WORLDS[name](3)) == digest(WORLDS[name](3))
    assert digest(WORLDS[name](3)) != digest(WORLDS[name](4))


@pytest.mark.parametrize("name", WORLDS)
@pytest.mark.parametrize("seed", [0, 7, 100_003])
def test_a_world_is_whole(name: str, seed: int):
    scene = WORLDS[name](seed)
    parts = [*scene.static, *(part for mover in scene.movers for part in mover.parts)]
    assert {part.material for part in parts} <= set(scene.materials)
    for mesh in (*(part.mesh for part in parts), *(lamp.mesh for lamp in scene.lamps)):
        assert np.isfinite(mesh.position).all() and mesh.index.max() < len(mesh.position)
        assert np.allclose(np.linalg.norm(mesh.normal, axis=1), 1, atol=1e-3)
    assert any(part.object_id for mover in scene.movers for part in mover.parts)
    assert len(scene.shots) == 8 and name in scene.caption


@pytest.mark.parametrize("name", WORLDS)
def test_nothing_jumps_but_at_the_end_of_its_track(name: str):
    for mover in WORLDS[name](11).movers:
        poses = np.stack([mover.motion.pose(t) for t in np.arange(0, 2, 1 / 24)])
        steps = np.linalg.norm(np.diff(poses[:, :3, 3], axis=0), axis=1)
        assert (steps > 1.0).sum() <= 1, "at most the one jump back to the start"
        rotations = poses[:, :3, :3]
        assert np.allclose(rotations @ rotations.transpose(0, 2, 1), np.eye(3), atol=1e-4), "rigid"


@pytest.mark.parametrize("name", WORLDS)
def test_cameras_are_rigid_and_smooth_within_a_shot(name: str):
    scene = WORLDS[name](5)
    for shot in range(len(scene.shots)):
        views = [scene.camera(shot * SHOT_SECONDS + t) for t in np.linspace(0, SHOT_SECONDS - 0.01, 60)]
        assert {number for _, number in views} == {shot}
        eyes = np.stack([-v[:3, :3].T @ v[:3, 3] for v, _ in views])
        assert np.linalg.norm(np.diff(eyes, axis=0), axis=1).max() < 3.0
        assert all(np.allclose(v[:3, :3] @ v[:3, :3].T, np.eye(3), atol=1e-4) for v, _ in views)


def test_a_shot_goes_through_its_keys():
    eyes = np.array([[0, 0, 0], [1, 2, 0], [3, 0, 5], [4, 4, 4]], np.float32)
    shot = Shot(eyes, eyes + np.float32([0, 0, -9]))
    for i, key in enumerate(eyes):
        view = shot.view(i * SHOT_SECONDS / 3)
        assert np.allclose(-view[:3, :3].T @ view[:3, 3], key, atol=1e-4)


def test_a_track_faces_where_it_goes_and_begins_again():
    track = Track(rounded([(0, 0), (10, 0), (10, -10)], 2), 2.0, 1.0)
    here, soon = track.pose(1.0), track.pose(1.1)
    forward = soon[:3, 3] - here[:3, 3]
    assert np.allclose(here[:3, :3] @ [0, 0, -1], forward / np.linalg.norm(forward), atol=0.05)
    length = float(track._lengths[-1])
    assert np.allclose(track.pose(0.7), track.pose(0.7 + length / 2.0), atol=1e-3)


def test_a_limb_stays_on_its_joint():
    body = Still(geo.translate(1, 2, 3) @ geo.yaw(0.5))
    limb = Limb(body, (0.1, 0.9, 0), 0.5, 1.3, 0.2)
    joints = [limb.pose(t)[:3, 3] for t in np.linspace(0, 2, 9)]
    assert all(np.allclose(a, b, atol=1e-5) for a, b in itertools.pairwise(joints))
    assert not np.allclose(limb.pose(0.0), limb.pose(0.2))
