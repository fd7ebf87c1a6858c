"""The `realmaster` command. The one place where errors become a sentence and an exit status."""

from __future__ import annotations

import importlib
import logging
import signal
import sys
from pathlib import Path
from typing import Annotated, Any

import cv2
import tyro

from bridge.keys import BridgeError
from capture.errors import CaptureError
from realmaster import config
from realmaster.errors import UserError
from trt_engines.manifest import EngineError

COMMANDS: dict[str, tuple[type[Any], str]] = {
    "live": (config.Live, "realmaster.commands.live"),
    "record": (config.Record, "realmaster.commands.live"),
    "play": (config.Play, "realmaster.commands.live"),
    "recover": (config.Recover, "realmaster.commands.recover"),
    "serve": (config.Serve, "realmaster.commands.serve"),
    "render": (config.Render, "realmaster.commands.render"),
    "doctor": (config.Doctor, "realmaster.commands.doctor"),
    "keys": (config.Keys, "realmaster.commands.keys"),
    "pairs": (config.Pairs, "realmaster.commands.training"),
    "train": (config.Train, "realmaster.commands.training"),
    "export": (config.Export, "realmaster.commands.training"),
    "eval": (config.Evaluate, "realmaster.commands.evaluate"),
}
DESCRIPTION = """Lift a running game into photoreal video.

Start with `realmaster live`. Every command takes `--config FILE.toml` with the same settings as its flags.
"""


def _parse(arguments: list[str]) -> Any:
    """The settings that the command line and `--config` ask for."""
    defaults: dict[str, Any] = {}
    if "--config" in arguments:
        at = arguments.index("--config")
        if at + 1 >= len(arguments) or not arguments or arguments[0] not in COMMANDS:
            raise UserError("--config takes a file, after the command: realmaster live --config my.toml")
        path = Path(arguments[at + 1])
        defaults[arguments[0]] = config.from_toml(path, COMMANDS[arguments[0]][0])
        arguments = arguments[:at] + arguments[at + 2:]
    choices: Any = None
    for name, (kind, _) in COMMANDS.items():
        marker = tyro.conf.subcommand(name, default=defaults[name]) if name in defaults else tyro.conf.subcommand(name)
        choice = Annotated[kind, marker]
        choices = choice if choices is None else choices | choice
    return tyro.cli(choices, args=arguments, prog="realmaster", description=DESCRIPTION,
                    config=(tyro.conf.OmitSubcommandPrefixes, tyro.conf.FlagCreatePairsOff,
                            tyro.conf.EnumChoicesFromValues))


def main() -> None:
    """Entry point."""
    # A parent that ends us politely gets the same clean end as Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    cv2.setNumThreads(1)  # waking OpenCV's own threads for every frame costs 2 ms of CPU and saves none beside a game
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s",
                        datefmt="%H:%M:%S", stream=sys.stderr)
    try:
        settings = _parse(sys.argv[1:])
        module = next(m for kind, m in COMMANDS.values() if type(settings) is kind)
        sys.exit(importlib.import_module(module).run(settings))
    except (UserError, CaptureError, BridgeError, EngineError) as error:
        sys.stderr.write(f"realmaster: {error}\n")
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
