"""The library of worlds: each a function from a seed to a scene; the same seed gives the same scene everywhere."""

from __future__ import annotations

from collections.abc import Callable

from engine_plugins.demo_game.scene import Scene
from engine_plugins.demo_game.worlds import country, room, square, street

WORLDS: dict[str, Callable[[int], Scene]] = {
    "street": street.build, "square": square.build, "country": country.build, "room": room.build}
"""Name to builder."""
