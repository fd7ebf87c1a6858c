"""Things that stand or move in several worlds: cars, people, trees, lamps, benches."""

from __future__ import annotations

import numpy as np

from engine_plugins.demo_game import geometry as geo
from engine_plugins.demo_game.geometry import F32
from engine_plugins.demo_game.scene import Lamp, Material, Mover, Part
from engine_plugins.demo_game.textures import plain, speckled, weave
from engine_plugins.demo_game.worlds.motion import Limb, Track

_PAINTS = ((0.70, 0.06, 0.05), (0.08, 0.17, 0.45), (0.85, 0.85, 0.84), (0.07, 0.07, 0.08),
           (0.75, 0.55, 0.10), (0.10, 0.33, 0.20), (0.45, 0.46, 0.48))
_CLOTHES = ((0.55, 0.12, 0.12), (0.12, 0.22, 0.42), (0.75, 0.72, 0.66), (0.16, 0.16, 0.18), (0.62, 0.48, 0.20),
            (0.18, 0.36, 0.26), (0.45, 0.30, 0.45))
_SKIN = ((0.78, 0.57, 0.46), (0.62, 0.42, 0.31), (0.36, 0.23, 0.17), (0.85, 0.66, 0.55))
COATS = 4
"""How many different outfits and paints a world has."""


def materials(rng: np.random.Generator) -> dict[str, Material]:
    """What the things in this file are made of."""
    m = {
        "bark": Material(speckled(rng, (0.30, 0.22, 0.15), 0.8, 0.95, 1.5)),
        "leaf": Material(speckled(rng, (0.20, 0.36, 0.10), 1.1, 0.8, 2.5)),
        "rubber": Material(plain((0.05, 0.05, 0.05), 0.8)),
        "tinted": Material(plain((0.05, 0.07, 0.09), 0.04), metallic=0.3, clearcoat=1.0),
        "glass": Material(plain((0.80, 0.88, 0.86), 0.02), clear=True),
        "steel": Material(plain((0.55, 0.56, 0.58), 0.3), metallic=0.9),
        "wood": Material(speckled(rng, (0.46, 0.31, 0.18), 0.5, 0.6, 1.5)),
        "hair": Material(speckled(rng, (0.14, 0.10, 0.07), 0.6, 0.6, 0.3)),
        "shoe": Material(plain((0.07, 0.06, 0.06), 0.4), clearcoat=0.3),
    }
    paints, shirts, legs = (rng.permutation(len(colours)) for colours in (_PAINTS, _CLOTHES, _CLOTHES))
    for i in range(COATS):
        m[f"paint{i}"] = Material(plain(_PAINTS[paints[i]], 0.35), metallic=0.2, clearcoat=1.0)
        m[f"shirt{i}"] = Material(weave(rng, _CLOTHES[shirts[i]], rng.choice([0.0, 0.0, 0.5])), sheen=0.5)
        red, green, blue = _CLOTHES[legs[i]]
        m[f"legs{i}"] = Material(weave(rng, (0.6 * red, 0.6 * green, 0.6 * blue), 0.0), sheen=0.3)
        m[f"skin{i}"] = Material(speckled(rng, _SKIN[rng.integers(len(_SKIN))], 0.1, 0.45, 0.3))
    return m


def car(paint: str, object_id: int) -> tuple[Part, ...]:
    """A car facing -z, 4.2 m long, standing on y = 0."""
    wheel = geo.cylinder(0.33, 0.24, 14)
    lie = geo.roll(-np.pi / 2)
    wheels = [wheel.transformed(geo.translate(x, 0.33, z) @ lie)
              for x in (-0.92, 0.68) for z in (-1.3, 1.3)]
    body = geo.superellipsoid((1.78, 0.72, 4.2), 0.35).transformed(geo.translate(0, 0.66, 0))
    cabin = geo.superellipsoid((1.56, 0.95, 2.3), 0.45).transformed(geo.translate(0, 1.05, 0.25))
    top = geo.superellipsoid((1.40, 0.30, 1.7), 0.5).transformed(geo.translate(0, 1.44, 0.25))
    return (Part(geo.merge([body, top]), paint, object_id), Part(cabin, "tinted", object_id),
            Part(geo.merge(wheels), "rubber", object_id))


def van(paint: str, object_id: int) -> tuple[Part, ...]:
    """A van facing -z, 5 m long, standing on y = 0."""
    lie = geo.roll(-np.pi / 2)
    wheels = [geo.cylinder(0.36, 0.26, 14).transformed(geo.translate(x, 0.36, z) @ lie)
              for x in (-0.98, 0.72) for z in (-1.6, 1.6)]
    hold = geo.superellipsoid((1.95, 1.9, 3.9), 0.18).transformed(geo.translate(0, 1.35, 0.5))
    nose = geo.superellipsoid((1.9, 1.0, 2.0), 0.35).transformed(geo.translate(0, 0.9, -1.6))
    screen = geo.superellipsoid((1.7, 0.9, 1.5), 0.5).transformed(geo.translate(0, 1.6, -1.2))
    return (Part(geo.merge([hold, nose]), paint, object_id), Part(screen, "tinted", object_id),
            Part(geo.merge(wheels), "rubber", object_id))


def walker(track: Track, outfit: int, object_id: int, height: float) -> list[Mover]:
    """A person of `height` metres who walks `track`: a body, and arms and legs that swing with the step."""
    k = height / 1.75
    rate, phase = track.speed / (1.4 * k), track.start
    shirt, legs, skin = f"shirt{outfit}", f"legs{outfit}", f"skin{outfit}"

    def piece(size: tuple[float, float, float], at: tuple[float, float, float], material: str,
              squareness: float = 0.7) -> Part:
        mesh = geo.superellipsoid(size, squareness, rows=8, columns=10).transformed(geo.translate(*at))
        return Part(mesh.transformed(geo.scale(k)), material, object_id)

    movers = [Mover((piece((0.42, 0.62, 0.24), (0, 1.18, 0), shirt), piece((0.36, 0.22, 0.22), (0, 0.88, 0), legs),
                     piece((0.18, 0.25, 0.21), (0, 1.63, 0), skin, 1.0), piece((0.10, 0.14, 0.10), (0, 1.48, 0), skin),
                     piece((0.20, 0.18, 0.23), (0, 1.69, 0.02), "hair", 1.0)), track)]
    for side in (-1, 1):
        swing = phase + (0 if side < 0 else np.pi)
        thigh = Limb(track, (side * 0.10 * k, 0.90 * k, 0), 0.45, rate, swing)
        shin = Limb(thigh, (0, -0.43 * k, 0), 0.35, rate, swing - 1.2, -0.35)
        arm = Limb(track, (side * 0.26 * k, 1.42 * k, 0), 0.40, rate, swing + np.pi)
        fore = Limb(arm, (0, -0.30 * k, 0), 0.2, rate, swing + np.pi, 0.3)
        movers += [
            Mover((piece((0.17, 0.50, 0.18), (0, -0.21, 0), legs),), thigh),
            Mover((piece((0.13, 0.48, 0.14), (0, -0.20, 0), legs), piece((0.11, 0.09, 0.27), (0, -0.44, -0.06),
                                                                        "shoe")), shin),
            Mover((piece((0.12, 0.36, 0.13), (0, -0.15, 0), shirt),), arm),
            Mover((piece((0.09, 0.32, 0.10), (0, -0.14, 0), skin),), fore)]
    return movers


def tree(rng: np.random.Generator, at: F32) -> list[Part]:
    """A leafy tree, 3 to 5 m high."""
    trunk = rng.uniform(1.8, 2.8)
    parts = [Part(geo.cylinder(0.14, trunk, 8).transformed(at), "bark")]
    for _ in range(3):
        crown = at @ geo.translate(*rng.uniform([-0.6, trunk, -0.6], [0.6, trunk + 1.4, 0.6]))
        parts.append(Part(geo.lump(rng.uniform(0.9, 1.5), rng).transformed(crown), "leaf"))
    return parts


def fir(rng: np.random.Generator, at: F32) -> list[Part]:
    """A conifer, 4 to 9 m high: a trunk and shrinking skirts."""
    height = rng.uniform(4, 9)
    skirts: list[tuple[float, float]] = []
    for i in range(5):
        low, wide = 0.8 + (height - 0.8) * i / 5.5, (1 - i / 5.5) * height * 0.2
        skirts += [(wide * 1.0, low), (wide * 0.45, low + height * 0.19)]
    cone = geo.lathe([*skirts, (0.02, height)], 9)
    return [Part(geo.cylinder(0.16, 1.2, 7).transformed(at), "bark"), Part(cone.transformed(at), "leaf")]


def street_lamp(at: F32, lit: bool, reach: float) -> tuple[list[Part], list[Lamp]]:
    """A post of 4.6 m with an arm `reach` metres long in x, and its lamp if it is `lit`."""
    parts = [Part(geo.cylinder(0.07, 4.6, 8).transformed(at), "steel"),
             Part(geo.box(abs(reach) + 0.1, 0.1, 0.22).transformed(at @ geo.translate(reach / 2, 4.5, 0)), "steel")]
    if not lit:
        return parts, []
    return parts, [glow(at @ geo.translate(reach, 4.42, 0), 0.22, (90.0, 62.0, 30.0))]


def glow(at: F32, radius: float, radiance: tuple[float, float, float]) -> Lamp:
    """A glowing ball around `at`; the game's point light has the power that the ball sends out."""
    ball = geo.superellipsoid((2 * radius, 2 * radius, 2 * radius), 1.0, rows=6, columns=8).transformed(at)
    power = tuple(v * radius * radius * np.pi for v in radiance)
    x, y, z = (float(v) for v in at[:3, 3])
    return Lamp(ball, (x, y, z), radiance, (power[0], power[1], power[2]))


def bench(at: F32) -> list[Part]:
    """A wooden bench on steel feet, 1.6 m wide in x, its front towards -z."""
    boards = [geo.box(1.6, 0.05, 0.12).transformed(geo.translate(0, 0.45, z)) for z in (-0.18, 0, 0.18)]
    back = [geo.box(1.6, 0.12, 0.05).transformed(geo.translate(0, y, 0.27)) for y in (0.6, 0.78)]
    feet = [geo.box(0.06, 0.86, 0.5).transformed(geo.translate(x, 0, 0.04)) for x in (-0.7, 0.7)]
    return [Part(geo.merge(boards + back).transformed(at), "wood"), Part(geo.merge(feet).transformed(at), "steel")]


def shelter(at: F32) -> list[Part]:
    """A bus shelter: glass panes under a steel roof, 3 m long in x, open towards -z."""
    panes = [geo.box(3.0, 2.0, 0.02).transformed(geo.translate(0, 0.15, 0.7)),
             geo.box(0.02, 2.0, 1.2).transformed(geo.translate(-1.5, 0.15, 0.1)),
             geo.box(0.02, 2.0, 1.2).transformed(geo.translate(1.5, 0.15, 0.1))]
    posts = [geo.cylinder(0.04, 2.3, 7).transformed(geo.translate(x, 0, z)) for x in (-1.5, 1.5) for z in (-0.5, 0.72)]
    roof = geo.box(3.3, 0.1, 1.6).transformed(geo.translate(0, 2.3, 0.1))
    return [Part(geo.merge(panes).transformed(at), "glass"), Part(geo.merge([*posts, roof]).transformed(at), "steel"),
            *bench(at @ geo.translate(0, 0, 0.25))]


