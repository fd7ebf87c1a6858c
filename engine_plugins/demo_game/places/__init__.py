"""Places made of the pack's material: each a function from a seed to a `Place`."""

from __future__ import annotations

from collections.abc import Callable

from engine_plugins.demo_game.pack import Pack
from engine_plugins.demo_game.place import Place
from engine_plugins.demo_game.places import blocks, circuit, park, street

PLACES: dict[str, Callable[[int, Pack], Place]] = {
    "street": street.build, "park": park.build, "circuit": circuit.build,
    "blocks": blocks.build}
"""Name to builder."""
