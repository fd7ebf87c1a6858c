"""The demo game as a process: `python -m engine_plugins.demo_game --ring demo`."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from engine_plugins.demo_game.worlds import WORLDS
from engine_plugins.publish import game_arguments, play

if TYPE_CHECKING:
    from capture.frame import Frame


def main() -> int:
    """Parses the command line and plays."""
    parser = game_arguments("demo_game", "A procedural world, rendered without a display.", "demo")
    parser.add_argument("--world", choices=sorted(WORLDS), default="street", help="what kind (default: street)")
    parser.add_argument("--seed", type=int, default=3, help="which one of its kind (default: 3)")
    args = parser.parse_args()
    width, height = (int(v) for v in args.size.split("x"))
    # One llvmpipe thread leaves the other core to the model.
    os.environ.setdefault("LP_NUM_THREADS", "1")
    try:
        from engine_plugins.demo_game.frames import to_frame
        from engine_plugins.demo_game.raster import NoOpenGLError, Rasteriser
    except ImportError:
        print("the demo game needs moderngl: pip install -e '.[games]'", file=sys.stderr)
        return 1
    try:
        game = Rasteriser(WORLDS[args.world](args.seed), width, height)
    except NoOpenGLError as error:
        print(error, file=sys.stderr)
        return 1
    dt = 1 / (args.fps or 24.0)
    last_shot = -1

    def make_frame(index: int) -> Frame | None:
        nonlocal last_shot
        if args.frames and index >= args.frames:
            return None
        buffers = game.render(index * dt, dt)
        cut, last_shot = buffers.shot != last_shot, buffers.shot
        return to_frame(buffers, index, index * dt, dt, cut=cut, interface=args.interface)

    return play(args.ring, args.fps, args.framelocked, make_frame)


if __name__ == "__main__":
    sys.exit(main())
