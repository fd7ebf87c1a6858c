"""ViZDoom as a running game: `python -m engine_plugins.vizdoom_game --ring doom`.

A real game that we did not write, with its own colour, depth and labels (`pip install vizdoom`). A
simple bot walks and turns, so that there is something to see. ViZDoom's depth is 8 bits without a
stated scale; `metres` is our calibration of it, which `tests/system/test_games.py` holds against the map.
"""

from __future__ import annotations

import argparse
import math
import sys
import tempfile
import time

import numpy as np
from numpy.typing import NDArray

from capture.frame import Buffer, Camera, CameraSource, Encoding, Flags, Frame, Kind
from engine_plugins.publish import play

FOV_AT_4_3 = math.radians(90)
"""Doom's field of view across a 4:3 picture; a wider picture shows more at its sides, not less above."""
UNITS_PER_METRE = 32.0
"""Doom's map units; a player is 56 units, about 1.75 m, tall."""
NEAR, FAR = 0.1, 1000.0
DEPTH_STEP, DEPTH_START = 7.13, 14.0
"""Map units a grey level of depth, and at level 0: fitted to 1,173 of 1,340 rays to walls of Freedoom's first map."""


def pose_view(x: float, y: float, z: float, angle: float, pitch: float) -> NDArray[np.float32]:
    """World-to-camera matrix (4, 4) in metres, y up, from Doom's pose (z up, degrees)."""
    yaw, tilt = math.radians(angle), math.radians(pitch)
    forward = np.array([math.cos(yaw) * math.cos(tilt), math.sin(tilt), -math.sin(yaw) * math.cos(tilt)])
    right = np.array([math.sin(yaw), 0.0, math.cos(yaw)])
    rotation = np.stack([right, np.cross(right, forward), -forward])
    view = np.eye(4)
    view[:3, :3] = rotation
    view[:3, 3] = -rotation @ (np.array([x, z, -y]) / UNITS_PER_METRE)
    return view.astype(np.float32)


def projection(width: int, height: int) -> NDArray[np.float32]:
    """Perspective matrix (4, 4) for Doom's field of view."""
    f = 4 / 3 / math.tan(FOV_AT_4_3 / 2)
    m = np.zeros((4, 4), np.float32)
    m[0, 0], m[1, 1] = f * height / width, f
    m[2, 2], m[2, 3], m[3, 2] = (FAR + NEAR) / (NEAR - FAR), 2 * FAR * NEAR / (NEAR - FAR), -1
    return m


def metres(depth: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Distance along the view axis in metres, from ViZDoom's depth buffer (H, W) u8.

    Good to a grey level, 0.22 m; level 255 means 57 m or more.
    """
    return (depth.astype(np.float32) * DEPTH_STEP + DEPTH_START) / UNITS_PER_METRE


class Doom:
    """One running game with a bot at the controls."""

    def __init__(self, seed: int, hud: bool) -> None:
        import vizdoom as vzd

        self.game = vzd.DoomGame()
        self.game.load_config(f"{vzd.scenarios_path}/deathmatch.cfg")
        self.folder = tempfile.TemporaryDirectory(prefix="vizdoom-")
        self.game.set_doom_config_path(f"{self.folder.name}/vizdoom.ini")  # else it writes one where it is started
        self.game.set_screen_resolution(vzd.ScreenResolution.RES_640X360)
        self.game.set_screen_format(vzd.ScreenFormat.RGB24)
        self.game.set_available_buttons([vzd.Button.MOVE_FORWARD, vzd.Button.TURN_LEFT, vzd.Button.ATTACK])
        self.game.set_available_game_variables([
            vzd.GameVariable.CAMERA_POSITION_X, vzd.GameVariable.CAMERA_POSITION_Y,
            vzd.GameVariable.CAMERA_POSITION_Z, vzd.GameVariable.CAMERA_ANGLE, vzd.GameVariable.CAMERA_PITCH])
        self.game.set_labels_buffer_enabled(True)
        self.game.set_depth_buffer_enabled(True)
        self.game.set_window_visible(False)
        self.game.set_render_hud(hud)
        self.game.set_mode(vzd.Mode.PLAYER)
        self.game.set_seed(seed)
        self.game.init()
        self.rng = np.random.default_rng(seed)
        self.turn, self.view = 0.0, None
        self.hud = hud

    def frame(self, index: int) -> Frame:
        """Steps the game once and returns what it shows."""
        reset = index == 0
        if self.game.is_episode_finished():
            self.game.new_episode()
            reset = True
        state = self.game.get_state()
        pixels = np.asarray(state.screen_buffer)
        alpha = np.full((*pixels.shape[:2], 1), 255, np.uint8)
        assert state is not None and state.labels_buffer is not None and state.game_variables is not None
        assert state.depth_buffer is not None
        view = pose_view(*state.game_variables)
        before = view if reset or self.view is None else self.view
        lens = projection(pixels.shape[1], pixels.shape[0])
        self.view = view
        frame = Frame(
            frame_id=index, t_capture_ns=time.monotonic_ns(), t_game=index / 35, dt=1 / 35,
            flags=(Flags.RESET if reset else Flags.NONE) | (Flags.HUD_IN_COLOR if self.hud else Flags.NONE),
            camera=Camera(view, lens, before, lens, NEAR, FAR, CameraSource.DERIVED),
            buffers={Kind.COLOR: Buffer(Encoding.RGBA8, np.concatenate([pixels, alpha], 2)),
                     Kind.DEPTH: Buffer(Encoding.LINEAR_Z, metres(np.asarray(state.depth_buffer))[..., None]),
                     Kind.OBJECT_ID: Buffer(Encoding.INDEX, state.labels_buffer.astype(np.uint32)[..., None])})
        self._act(index)
        return frame

    def _act(self, index: int) -> None:
        if index % 20 == 0:
            self.turn = float(self.rng.normal(0, 1.5))
        self.game.make_action([1.0, self.turn, float(self.rng.random() < 0.02)])


def main() -> int:
    """Parses the command line and plays."""
    parser = argparse.ArgumentParser(prog="vizdoom_game", description="ViZDoom, published as a ring.")
    parser.add_argument("--ring", default="doom", help="name of the ring to publish (default: doom)")
    parser.add_argument("--seed", type=int, default=7, help="seed of the game and of its bot (default: 7)")
    parser.add_argument("--fps", type=float, default=24.0, help="frames a second, 0 for unlimited (default: 24)")
    parser.add_argument("--frames", type=int, default=0, help="stop after so many, 0 for never (default: 0)")
    parser.add_argument("--framelocked", action="store_true", help="wait for the reader: nothing is lost")
    parser.add_argument("--hud", action="store_true", help="draw the status bar")
    args = parser.parse_args()
    try:
        doom = Doom(args.seed, args.hud)
    except ImportError:
        print("ViZDoom is not installed: pip install -e '.[games]'", file=sys.stderr)
        return 1
    return play(args.ring, args.fps, args.framelocked,
                lambda i: None if args.frames and i >= args.frames else doom.frame(i))


if __name__ == "__main__":
    sys.exit(main())
