"""The `realmaster` command. The one place where errors become a sentence and an exit status."""

from __future__ import annotations

import functools
import importlib
import logging
import operator
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
from realmaster.evaluation.settings import Evaluate
from realmaster.pairs.settings import PairsCheck, PairsExport, PairsRender
from realmaster.training.settings import Export, Train
from trt_engines.manifest import EngineError

COMMANDS: dict[str, tuple[type[Any], str]] = {
    "live": (config.Live, "realmaster.commands.live"),
    "capture-game": (config.CaptureGame, "realmaster.commands.live"),
    "record": (config.Record, "realmaster.commands.live"),
    "play": (config.Play, "realmaster.commands.live"),
    "recover": (config.Recover, "realmaster.commands.recover"),
    "serve": (config.Serve, "realmaster.commands.serve"),
    "render": (config.Render, "realmaster.commands.render"),
    "models": (config.Models, "realmaster.commands.models"),
    "check-plugin": (config.CheckPlugin, "realmaster.commands.check_plugin"),
    "doctor": (config.Doctor, "realmaster.commands.doctor"),
    "keys": (config.Keys, "realmaster.commands.keys"),
    "pairs render": (PairsRender, "realmaster.commands.pairs"),
    "pairs check": (PairsCheck, "realmaster.commands.pairs"),
    "pairs export": (PairsExport, "realmaster.commands.pairs"),
    "train": (Train, "realmaster.commands.training"),
    "export": (Export, "realmaster.commands.training"),
    "eval": (Evaluate, "realmaster.commands.evaluate"),
}
GROUPS = {"pairs": "Aligned pairs of game frames and photographs: render, check and export them."}
DESCRIPTION = """Lift a running game into photoreal video.

Start with `realmaster live`. Every command takes `--config FILE.toml` with the same settings as its flags.
"""


def _with_config(arguments: list[str]) -> tuple[list[str], dict[str, Any]]:
    """The arguments without `--config FILE`, and the defaults that the file gives to its command."""
    ours = arguments[:arguments.index("--")] if "--" in arguments else arguments  # what follows is a game's
    if "--config" not in ours:
        return arguments, {}
    at = ours.index("--config")
    command = next((name for name in (" ".join(arguments[:2]), arguments[0]) if name in COMMANDS), None)
    if at + 1 >= len(ours) or command is None:
        raise UserError("--config takes a file, after the command: realmaster live --config my.toml")
    defaults = {command: config.from_toml(Path(arguments[at + 1]), COMMANDS[command][0])}
    return arguments[:at] + arguments[at + 2:], defaults


def _parse(arguments: list[str]) -> Any:
    """The settings that the command line and `--config` ask for."""
    arguments, defaults = _with_config(arguments)
    choices: dict[str, list[Any]] = {"": []}
    for name, (kind, _) in COMMANDS.items():
        group, _, word = name.rpartition(" ")
        marker = tyro.conf.subcommand(word, default=defaults[name]) if name in defaults else tyro.conf.subcommand(word)
        choices.setdefault(group, []).append(Annotated[kind, marker])
    for group, text in GROUPS.items():
        union = functools.reduce(operator.or_, choices[group])
        choices[""].append(Annotated[union, tyro.conf.subcommand(group, description=text)])
    return tyro.cli(functools.reduce(operator.or_, choices[""]), args=arguments, prog="realmaster",
                    description=DESCRIPTION, config=(tyro.conf.OmitSubcommandPrefixes, tyro.conf.FlagCreatePairsOff,
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
