"""The running games: every buffer that they hand over means what the contract says."""

from __future__ import annotations

import itertools
import subprocess
import sys

import cv2
import numpy as np
import pytest

from bridge.contract import RenderSettings
from capture.engine import EngineSource
from capture.frame import CameraSource, Flags, Frame, Kind
from capture.source import Pacing
from engine_plugins.vizdoom_game import UNITS_PER_METRE, metres, pose_view, projection
from realmaster.config import Look
from realmaster.launch.sources import used
from realmaster.stream.link import LocalLink
from realmaster.stream.session import Session
from tests.fakes import Keep, TintBackend
from tests.peers import play_locked

pytestmark = pytest.mark.games
FRAMES = 30


@pytest.fixture(scope="module")
def street() -> list[Frame]:
    pytest.importorskip("moderngl")
    return play_locked("engine_plugins.demo_game", "test-street", FRAMES, "--size", "320x180")


def data(frame: Frame, kind: Kind) -> np.ndarray:
    return frame.buffers[kind].data.astype(np.float64)


def pixel_grid(frame: Frame) -> tuple[np.ndarray, np.ndarray]:
    width, height = frame.size
    x, y = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    return x, y


def world_points(frame: Frame) -> tuple[np.ndarray, np.ndarray]:
    """(N, 4) world positions of the pixels that have a depth, and their mask, from depth and matrices alone."""
    assert frame.camera is not None
    width, height = frame.size
    x, y = pixel_grid(frame)
    inverse = data(frame, Kind.DEPTH)[..., 0]
    mask = inverse > 0
    z = 1 / inverse[mask]
    p = frame.camera.projection.astype(np.float64)
    eye = np.stack([(2 * x[mask] / width - 1) / p[0, 0] * z, (1 - 2 * y[mask] / height) / p[1, 1] * z, -z,
                    np.ones_like(z)], 1)
    return eye @ np.linalg.inv(frame.camera.view.astype(np.float64)).T, mask


def project(points: np.ndarray, view: np.ndarray, projection: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    clip = points @ (projection.astype(np.float64) @ view.astype(np.float64)).T
    ndc = clip[:, :2] / clip[:, 3:]
    return np.stack([(ndc[:, 0] + 1) / 2 * size[0], (1 - ndc[:, 1]) / 2 * size[1]], 1)


def test_the_street_has_every_buffer_and_loses_none(street):
    assert [f.frame_id for f in street] == list(range(FRAMES))
    assert all(set(f.buffers) == {Kind.COLOR, Kind.DEPTH, Kind.MOTION, Kind.NORMAL, Kind.OBJECT_ID} for f in street)
    assert street[0].flags & Flags.RESET and not any(f.flags & Flags.RESET for f in street[1:])
    frame = street[-1]
    ids = frame.buffers[Kind.OBJECT_ID].data
    assert 0 in ids and len(np.unique(ids)) > 1, "a street with cars in it"
    depth = data(frame, Kind.DEPTH)
    assert (depth[:10] == 0).any() and depth.std() > 0, "sky has inverse depth 0"
    lengths = np.linalg.norm(data(frame, Kind.NORMAL)[..., :3], axis=-1)
    assert np.abs(lengths[depth[..., 0] > 0] - 1).max() < 0.01


def test_motion_is_what_depth_and_matrices_say_where_nothing_moves(street):
    frame = street[12]
    points, mask = world_points(frame)
    camera = frame.camera
    assert camera is not None and camera.source is CameraSource.ENGINE
    before = project(points, camera.previous_view, camera.previous_projection, frame.size)
    x, y = pixel_grid(frame)
    expected = before - np.stack([x[mask], y[mask]], 1)
    static = frame.buffers[Kind.OBJECT_ID].data[mask][:, 0] == 0
    error = np.linalg.norm(data(frame, Kind.MOTION)[mask] - expected, axis=1)[static]
    assert np.percentile(error, 99) < 0.05 and np.abs(expected).max() > 1


def test_ground_lies_at_its_height(street):
    points, mask = world_points(street[5])
    up = data(street[5], Kind.NORMAL)[..., 1][mask] > 0.99
    heights = points[up, 1]
    assert np.median(np.abs(heights)) < 0.2, "road, pavement and lawn are within 15 cm of zero"


def test_warping_by_motion_beats_not_warping(street):
    """The guide probe: the previous frame, moved by the motion vectors, must look more like this one."""
    gains = []
    for before, now in itertools.pairwise(street[5:]):
        x, y = pixel_grid(now)
        motion = data(now, Kind.MOTION)
        where = [(g - 0.5 + m).astype(np.float32) for g, m in ((x, motion[..., 0]), (y, motion[..., 1]))]
        warped = cv2.remap(before.rgb, *where, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        errors = [((a.astype(float) - now.rgb) ** 2).mean() for a in (before.rgb, warped)]
        gains.append(10 * np.log10(errors[0] / errors[1]))
    assert np.mean(gains) > 3, f"mean gain {np.mean(gains):.1f} dB"


def test_the_same_seed_gives_the_same_street(street):
    again = play_locked("engine_plugins.demo_game", "test-street-2", FRAMES, "--size", "320x180")
    assert all(np.array_equal(a.rgb, b.rgb) for a, b in zip(street, again, strict=True))


def test_the_interface_of_a_running_game_is_on_top_of_the_photograph_bit_for_bit(ring_name):
    """Game process, ring, windows, renderer, stitching: the whole way."""
    pytest.importorskip("moderngl")
    game = subprocess.Popen([sys.executable, "-m", "engine_plugins.demo_game", "--ring", ring_name, "--framelocked",
                             "--fps", "0", "--frames", str(FRAMES), "--size", "320x180", "--interface"])
    keep = Keep()
    source = EngineSource(ring_name, Pacing.FRAMELOCKED, patience=60, kinds=used(Look()))
    Session(source, LocalLink(TintBackend()), [keep], RenderSettings, pacing=Pacing.FRAMELOCKED).run(lambda: False)
    assert game.wait(20) == 0
    assert len(keep.photos) == FRAMES
    for shown in keep.photos:
        color, scene = (shown.frame.buffers[kind].data[..., :3] for kind in (Kind.COLOR, Kind.SCENE_COLOR))
        drawn = (color != scene).any(-1)
        assert 0.02 < drawn.mean() < 0.2 and shown.photo.shape == color.shape
        assert np.array_equal(shown.photo[drawn], color[drawn])
        assert not np.array_equal(shown.photo[~drawn], color[~drawn])


def test_doom_is_a_real_game_with_labels_and_a_pose(ring_name):
    pytest.importorskip("vizdoom")
    frames = play_locked("engine_plugins.vizdoom_game", ring_name, FRAMES)
    assert [f.frame_id for f in frames] == list(range(FRAMES))
    assert frames[0].size == (640, 360)
    assert set(frames[0].buffers) == {Kind.COLOR, Kind.DEPTH, Kind.OBJECT_ID}
    assert not frames[0].flags & Flags.HUD_IN_COLOR
    assert len({f.rgb.tobytes() for f in frames}) > FRAMES // 2, "the bot moves"
    camera = frames[-1].camera
    assert camera is not None and camera.source is CameraSource.DERIVED
    rotation = camera.view[:3, :3]
    assert np.allclose(rotation @ rotation.T, np.eye(3), atol=1e-5) and np.linalg.det(rotation) > 0
    again = play_locked("engine_plugins.vizdoom_game", ring_name, FRAMES)
    assert all(np.array_equal(a.rgb, b.rgb) for a, b in zip(frames, again, strict=True))


def test_vizdooms_depth_and_camera_agree_with_its_map(tmp_path):
    """Rays through pixels of the middle row meet the map's walls at the distance that the depth buffer tells."""
    vzd = pytest.importorskip("vizdoom")
    game = vzd.DoomGame()
    game.set_doom_map("map01")
    game.set_doom_config_path(str(tmp_path / "vizdoom.ini"))
    game.set_screen_resolution(vzd.ScreenResolution.RES_640X360)
    game.set_depth_buffer_enabled(True)
    game.set_sectors_info_enabled(True)
    game.set_window_visible(False)
    game.set_render_weapon(False)
    game.set_available_buttons([vzd.Button.TURN_LEFT_RIGHT_DELTA, vzd.Button.MOVE_FORWARD])
    game.set_available_game_variables([getattr(vzd.GameVariable, f"CAMERA_{name}") for name in (
        "POSITION_X", "POSITION_Y", "POSITION_Z", "ANGLE", "PITCH")])
    game.init()
    errors = []
    for step in range(60):
        state = game.get_state()
        depth = metres(state.depth_buffer)
        height, width = depth.shape
        eye = np.linalg.inv(pose_view(*state.game_variables))
        lens = projection(width, height)
        for column in range(40, width, 80):
            across = (2 * (column + 0.5) / width - 1) / lens[0, 0]
            ray = eye[:3, :3] @ (across, 0, -1)
            distance = nearest_wall(eye[:3, 3], ray, state.sectors)
            if distance is not None:
                errors.append(abs(depth[height // 2, column] - distance) / max(distance, 1.0))
        game.make_action([13.0 * (-1) ** (step // 8), 1.0])
    game.close()
    assert len(errors) > 300
    # Rays that end at a ledge or at a monster before the wall are the rest.
    assert np.mean(np.array(errors) < 0.1) > 0.8


def nearest_wall(eye: np.ndarray, ray: np.ndarray, sectors) -> float | None:
    """Metres along the view axis to the nearest wall; `ray` has length 1 along that axis, y is up, Doom's y is -z."""
    x, y = eye[0] * UNITS_PER_METRE, -eye[2] * UNITS_PER_METRE
    dx, dy = ray[0], -ray[2]
    found = []
    for line in (line for sector in sectors for line in sector.lines if line.is_blocking):
        ex, ey = line.x2 - line.x1, line.y2 - line.y1
        determinant = dx * ey - dy * ex
        if abs(determinant) > 1e-9:
            along = ((line.x1 - x) * ey - (line.y1 - y) * ex) / determinant
            place = ((line.x1 - x) * dy - (line.y1 - y) * dx) / determinant
            if along > 0.1 and 0 <= place <= 1:
                found.append(along / UNITS_PER_METRE)
    return min(found, default=None)
