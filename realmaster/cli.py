"""The `realmaster` command. The one place where errors become a sentence and an exit status."""

from __future__ import annotations

import difflib
import errno
import functools
import importlib
import io
import logging
import operator
import os
import signal
import sys
from pathlib import Path
from typing import Annotated, Any

import cv2
import tyro
import zmq

import realmaster
from bridge.errors import BridgeError
from capture.errors import CaptureError
from realmaster import config
from realmaster.errors import UserError
from realmaster.evaluation.settings import Evaluate
from realmaster.pairs.settings import PairsAssets, PairsCheck, PairsDraw, PairsExport, PairsRender, PairsTruth
from realmaster.settings import checked, from_toml
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
    "pairs assets": (PairsAssets, "realmaster.commands.pairs"),
    "pairs truth": (PairsTruth, "realmaster.commands.pairs"),
    "pairs draw": (PairsDraw, "realmaster.commands.pairs"),
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
    at = next((i for i, word in enumerate(ours) if word.split("=")[0] == "--config"), None)
    if at is None:
        return arguments, {}
    _, joined, name = ours[at].partition("=")
    after = at + 1 if joined else at + 2
    command = next((name for name in (" ".join(arguments[:2]), arguments[0]) if name in COMMANDS), None)
    if after > len(ours) or command is None:
        raise UserError("--config takes a file, after the command: realmaster live --config my.toml")
    defaults = {command: from_toml(Path(name if joined else ours[at + 1]).expanduser(), COMMANDS[command][0])}
    return arguments[:at] + arguments[after:], defaults


def _known(arguments: list[str]) -> None:
    """Raises `UserError` with the nearest command if the first word is none."""
    words = list(dict.fromkeys(name.split()[0] for name in COMMANDS))
    if arguments and not arguments[0].startswith("-") and arguments[0] not in words:
        near = difflib.get_close_matches(arguments[0], words, 1, 0.5)
        raise UserError(f"there is no command {arguments[0]!r}: "
                        + (f"did you mean `realmaster {near[0]}`?" if near else f"there are {', '.join(words)}"))


def _parse(arguments: list[str]) -> Any:
    """The settings that the command line and `--config` ask for."""
    _known(arguments)
    arguments, defaults = _with_config(arguments)
    choices: dict[str, list[Any]] = {"": []}
    for name, (kind, _) in COMMANDS.items():
        group, _, word = name.rpartition(" ")
        marker = tyro.conf.subcommand(word, default=defaults[name]) if name in defaults else tyro.conf.subcommand(word)
        choices.setdefault(group, []).append(Annotated[kind, marker])
    for group, text in GROUPS.items():
        union = functools.reduce(operator.or_, choices[group])
        choices[""].append(Annotated[union, tyro.conf.subcommand(group, description=text)])
    try:
        settings = tyro.cli(
            functools.reduce(operator.or_, choices[""]), args=arguments, prog="realmaster", description=DESCRIPTION,
            config=(tyro.conf.OmitSubcommandPrefixes, tyro.conf.FlagCreatePairsOff, tyro.conf.EnumChoicesFromValues))
    except ValueError as error:  # two settings that exclude each other
        raise UserError(str(error)) from error
    return checked(settings)


def main() -> None:
    """Entry point."""
    # A parent that ends us politely gets the same clean end as Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    cv2.setNumThreads(1)  # waking OpenCV's own threads for every frame costs 2 ms of CPU and saves none beside a game
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s",
                        datefmt="%H:%M:%S", stream=sys.stderr)
    for stream in (sys.stdout, sys.stderr):  # a file's name may hold bytes that are no text
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        if sys.argv[1:] == ["--version"]:
            print(f"realmaster {realmaster.__version__}")
            return
        settings = _parse(sys.argv[1:])
        module = next(m for kind, m in COMMANDS.values() if type(settings) is kind)
        sys.exit(importlib.import_module(module).run(settings))
    except (UserError, CaptureError, BridgeError, EngineError) as error:
        sys.stderr.write(f"realmaster: {error}\n")
        sys.exit(1)
    except BrokenPipeError:  # who read our output has closed it, as `| head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(128 + signal.SIGPIPE)
    except (OSError, zmq.ZMQError) as error:
        if error.errno not in (errno.EMFILE, errno.ENFILE):
            raise
        sys.stderr.write("realmaster: too many files are open: allow more with `ulimit -n 1024`, then start it again\n")
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
