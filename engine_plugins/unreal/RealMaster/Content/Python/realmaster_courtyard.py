"""Builds and opens the example level, a courtyard of pillars: `py realmaster_courtyard.py` in the editor's output log.

Needs Unreal's Python Editor Script Plugin.
"""

import math
from typing import Any

import unreal

LEVEL = "/Game/RealMasterCourtyard"
METRE = 100.0  # of Unreal's centimetres
Triple = tuple[float, float, float]


def put(kind: type, at: Triple, turn: Triple = (0, 0, 0)) -> Any:
    """An actor; `at` in metres, `turn` in degrees: roll, pitch, yaw."""
    actors = unreal.get_editor_subsystem(unreal.EditorActorSubsystem)
    place = unreal.Vector(*(METRE * x for x in at))
    return actors.spawn_actor_from_class(kind, place, unreal.Rotator(*turn))


def shape(name: str, at: Triple, size: Triple) -> None:
    """One of the engine's basic shapes, which are a metre wide."""
    actor = put(unreal.StaticMeshActor, at)
    actor.static_mesh_component.set_static_mesh(unreal.load_asset(f"/Engine/BasicShapes/{name}"))
    actor.set_actor_scale3d(unreal.Vector(*size))


def build() -> None:
    """Raises `RuntimeError` if there is such a level."""
    levels = unreal.get_editor_subsystem(unreal.LevelEditorSubsystem)
    if not levels.new_level(LEVEL):
        raise RuntimeError(f"{LEVEL} is there already: open it, or delete it")
    shape("Cube", (0, 0, -0.5), (40, 40, 1))
    for i in range(12):
        angle = i * math.pi / 6
        shape("Cylinder", (6 * math.cos(angle), 6 * math.sin(angle), 1), (1.2, 1.2, 2))
    put(unreal.DirectionalLight, (0, 0, 10), (0, -50, 30))
    put(unreal.SkyAtmosphere, (0, 0, 0))
    put(unreal.SkyLight, (0, 0, 10))
    put(unreal.PlayerStart, (-11, 0, 1.5))
    levels.save_current_level()


build()
