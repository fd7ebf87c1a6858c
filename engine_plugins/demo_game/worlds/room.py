"""A furnished room: daylight through windows or lamplight, glass and cloth on a table, somebody passing through."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from engine_plugins.demo_game import geometry as geo
from engine_plugins.demo_game.geometry import F32, Mesh
from engine_plugins.demo_game.scene import Lamp, Material, Mover, Part, Scene, Shot
from engine_plugins.demo_game.textures import patches, plain, planks, speckled, tiles, weave
from engine_plugins.demo_game.worlds import props
from engine_plugins.demo_game.worlds.cameras import along, orbit
from engine_plugins.demo_game.worlds.motion import Track, rounded
from engine_plugins.demo_game.worlds.skies import sky

WIDE, DEEP, HIGH = 3.5, 3.0, 2.8
"""Half the room's width and depth, and its height, in metres."""
PASSAGE = -2.15
"""People walk along x at this z, in and out of doorways in both side walls."""


def _materials(rng: np.random.Generator) -> dict[str, Material]:
    hue = rng.uniform(0.55, 0.9, 3)
    cloth, rug = rng.uniform(0.12, 0.7, (2, 3))
    boards, pale, dark = (0.50, 0.33, 0.19), (0.75, 0.72, 0.66), (0.30, 0.33, 0.34)
    floor = planks(rng, boards) if rng.random() < 0.65 else tiles(rng, pale, dark)
    return {
        **props.materials(rng),
        "wall": Material(speckled(rng, (hue[0], hue[1], hue[2]), 0.06, 0.9, 3.0)),
        "ceiling": Material(plain((0.88, 0.87, 0.84), 0.9)),
        "floor": Material(floor, clearcoat=0.3),
        "trim": Material(plain((0.85, 0.84, 0.80), 0.4)),
        "sofa": Material(weave(rng, (cloth[0], cloth[1], cloth[2]), 0.0), sheen=0.8),
        "rug": Material(weave(rng, (rug[0], rug[1], rug[2]), 0.9), sheen=0.8),
        "books": Material(patches(rng, 28, 1, 1.6)),
        "painting": Material(patches(rng, 5, 4, 1.0)),
        "china": Material(plain((0.86, 0.86, 0.84), 0.15), clearcoat=1.0),
        "fruit": Material(speckled(rng, (0.75, rng.uniform(0.2, 0.55), 0.10), 0.3, 0.4, 0.2), clearcoat=0.5),
        "copper": Material(plain((0.72, 0.40, 0.26), 0.2), metallic=1.0),
        "screen": Material(plain((0.03, 0.03, 0.04), 0.05), clearcoat=1.0),
    }


def _wall(length: float, openings: list[tuple[float, float, float, float]]) -> Mesh:
    """A wall along x with its inner face at z = 0; `openings`: (left, right, bottom, top), sorted, in metres."""
    pieces: list[Mesh] = []
    thick = 0.15

    def block(left: float, right: float, low: float, high: float) -> None:
        if right - left > 1e-3 and high - low > 1e-3:
            pieces.append(geo.box(right - left, high - low, thick).transformed(
                geo.translate((left + right) / 2, low, -thick / 2)))

    edge = -length / 2
    for left, right, low, high in openings:
        block(edge, left, 0, HIGH)
        block(left, right, 0, low)
        block(left, right, high, HIGH)
        edge = right
    block(edge, length / 2, 0, HIGH)
    return geo.merge(pieces)


def _shell(rng: np.random.Generator) -> list[Part]:
    """Floor, ceiling, walls with windows and doorways, skirting, and the passages behind the doorways."""
    start = float(rng.uniform(-2.4, -1.2))
    window = [(start, start + float(rng.uniform(1.2, 2.0)), 0.9, 2.3)]
    door = [(-PASSAGE - 0.55, -PASSAGE + 0.55, 0.0, 2.1)]
    back = _wall(2 * WIDE, window).transformed(geo.translate(0, 0, -DEEP))
    front = _wall(2 * WIDE, [(-2.6, 2.6, 0.5, 2.4)]).transformed(geo.translate(0, 0, DEEP) @ geo.yaw(np.pi))
    left = _wall(2 * DEEP, door).transformed(geo.translate(-WIDE, 0, 0) @ geo.yaw(np.pi / 2))
    right = _wall(2 * DEEP, [(-b, -a, c, d) for a, b, c, d in door]).transformed(
        geo.translate(WIDE, 0, 0) @ geo.yaw(-np.pi / 2))
    halls = [geo.box(3.0, 2.4, 0.1).transformed(geo.translate(s * (WIDE + 1.6), 0, PASSAGE + z))
             for s in (-1, 1) for z in (-0.75, 0.75)]
    ends = [geo.box(0.1, 2.4, 1.6).transformed(geo.translate(s * (WIDE + 3.1), 0, PASSAGE)) for s in (-1, 1)]
    lids = [geo.box(3.2, 0.1, 1.6).transformed(geo.translate(s * (WIDE + 1.6), 2.4, PASSAGE)) for s in (-1, 1)]
    frames = [geo.box(b - a + 0.16, 0.08, 0.24).transformed(geo.translate((a + b) / 2, y, -DEEP - 0.04))
              for a, b, low, high in window for y in (low - 0.08, high)]
    middles = [(b - a, (a + b) / 2) for a, b, _, _ in window]
    bars = [geo.box(0.06, 1.4, 0.06).transformed(geo.translate(x, 0.9, -DEEP - 0.08)) for _, x in middles]
    panes = [geo.box(wide, 1.4, 0.01).transformed(geo.translate(x, 0.9, -DEEP - 0.1)) for wide, x in middles]
    return [
        Part(geo.quad(2 * WIDE + 8, 2 * DEEP), "floor"),
        Part(geo.merge([back, front, left, right, *halls, *ends]), "wall"),
        Part(geo.box(2 * WIDE + 0.4, 0.2, 2 * DEEP + 0.4).transformed(geo.translate(0, HIGH, 0)), "ceiling"),
        Part(geo.merge(lids), "ceiling"), Part(geo.merge(frames + bars), "trim"), Part(geo.merge(panes), "glass"),
        Part(geo.quad(60, 60).transformed(geo.translate(0, -0.4, 0)), "leaf")]


def _table(rng: np.random.Generator) -> list[Part]:
    """The table in the middle of the room and what stands on it."""
    if rng.random() < 0.3:
        top = [Part(geo.cylinder(0.75, 0.03, 28).transformed(geo.translate(0, 0.72, 0)), "glass"),
               Part(geo.lathe([(0.35, 0), (0.06, 0.1), (0.05, 0.6), (0.3, 0.72)], 18), "steel")]
    else:
        legs = [geo.box(0.07, 0.72, 0.07).transformed(geo.translate(x, 0, z)) for x in (-0.7, 0.7) for z in (-0.4, 0.4)]
        top = [Part(geo.merge([geo.box(1.6, 0.05, 1.0).transformed(geo.translate(0, 0.7, 0)), *legs]), "wood")]
    spots = rng.permutation([(-0.5, -0.2), (-0.3, 0.25), (0.0, -0.05), (0.3, 0.25), (0.5, -0.2)])
    y = 0.751
    shapes: list[tuple[str, list[tuple[float, float]]]] = [
        ("glass", [(0.10, 0), (0.13, 0.12), (0.06, 0.24), (0.09, 0.34)]),
        ("china", [(0.06, 0), (0.12, 0.08), (0.16, 0.12)]),
        ("copper", [(0.12, 0), (0.15, 0.08), (0.10, 0.2), (0.04, 0.24), (0.02, 0.28)]),
        ("china", [(0.05, 0), (0.09, 0.1), (0.04, 0.25), (0.05, 0.32)]),
    ]
    things: list[Part] = []
    for (x, z), (material, profile) in zip(spots, shapes, strict=False):
        things.append(Part(geo.lathe(profile, 22).transformed(geo.translate(float(x), y, float(z))), material))
        if material == "china" and profile[-1][0] > 0.1:
            things += [Part(geo.superellipsoid((0.09, 0.09, 0.09), 1.0).transformed(
                geo.translate(float(x + dx), y + 0.12, float(z + dz))), "fruit") for dx, dz in
                ((0, 0.05), (0.06, -0.03), (-0.06, -0.03))]
    x, z = (float(v) for v in spots[4])
    things.append(Part(geo.box(0.22, 0.04, 0.3).transformed(geo.translate(x, y, z) @ geo.yaw(0.5)), "books"))
    return top + things


def _chair(rng: np.random.Generator, at: F32) -> Part:
    pieces = [geo.box(0.45, 0.05, 0.45).transformed(geo.translate(0, 0.43, 0)),
              geo.box(0.45, 0.5, 0.04).transformed(geo.translate(0, 0.46, 0.22) @ geo.pitch(0.12))]
    corners = [geo.translate(x, 0, z) for x in (-0.19, 0.19) for z in (-0.19, 0.19)]
    pieces += [geo.box(0.05, 0.43, 0.05).transformed(corner) for corner in corners]
    return Part(geo.merge(pieces).transformed(at), "wood" if rng.random() < 0.7 else "steel")


def _sofa(at: F32) -> Part:
    """A sofa 2 m wide in x, its front towards -z."""
    pieces = [geo.superellipsoid((2.0, 0.45, 0.9), 0.3).transformed(geo.translate(0, 0.25, 0)),
              geo.superellipsoid((2.0, 0.6, 0.28), 0.4).transformed(geo.translate(0, 0.62, 0.36)),
              *(geo.superellipsoid((0.26, 0.4, 0.9), 0.4).transformed(geo.translate(x, 0.5, 0)) for x in (-0.92, 0.92)),
              *(geo.superellipsoid((0.75, 0.2, 0.7), 0.4).transformed(geo.translate(x, 0.5, -0.05))
                for x in (-0.4, 0.4))]
    return Part(geo.merge(pieces).transformed(at), "sofa")


def _shelf(at: F32) -> list[Part]:
    """Book shelves 1.6 m wide in x against a wall at z = 0, their front towards -z."""
    boards = [geo.box(1.6, 0.04, 0.3).transformed(geo.translate(0, y, -0.15)) for y in (0.1, 0.5, 0.9, 1.3, 1.7)]
    sides = [geo.box(0.04, 1.75, 0.3).transformed(geo.translate(x, 0, -0.15)) for x in (-0.8, 0.8)]
    rows = [geo.box(1.4, 0.28, 0.2).transformed(geo.translate(0.02, y, -0.13)) for y in (0.14, 0.54, 0.94, 1.34)]
    return [Part(geo.merge(boards + sides).transformed(at), "wood"), Part(geo.merge(rows).transformed(at), "books")]


def _furniture(rng: np.random.Generator) -> list[Part]:
    side = int(rng.choice([-1, 1]))
    facing = geo.yaw(side * np.pi / 2)
    parts = [_sofa(geo.translate(side * 2.9, 0, 0.4) @ facing),
             *_shelf(geo.translate(-side * WIDE, 0, 0.2) @ geo.yaw(-side * np.pi / 2)),
             Part(geo.box(2.6, 0.012, 1.8), "rug")]
    parts += [_chair(rng, geo.translate(float(x), 0, float(z)) @ geo.yaw(float(a + rng.uniform(-0.4, 0.4))))
              for x, z, a in ((0.35, -0.85, np.pi), (-0.5, -0.8, np.pi), (-1.15, 0.1, -np.pi / 2), (1.15, 0, np.pi / 2))
              if rng.random() < 0.8]
    pot = geo.translate(side * 2.9, 0, -1.3)
    parts += [Part(geo.lathe([(0.14, 0), (0.2, 0.3), (0.21, 0.36)], 16).transformed(pot), "china"),
              Part(geo.lump(0.35, rng, 0.16, 1.3).transformed(pot @ geo.translate(0, 0.75, 0)), "leaf")]
    x = float(rng.uniform(1.4, 2.4))
    parts.append(Part(geo.box(0.9, 0.7, 0.04).transformed(geo.translate(x, 1.2, -DEEP + 0.03)),
                      str(rng.choice(["painting", "screen"]))))
    return parts


def _lamps(rng: np.random.Generator, dark: bool) -> tuple[list[Part], list[Lamp]]:
    """A hanging lamp over the table and one on a stand; by day only the first, and faint."""
    warm = np.array((1.0, 0.72, 0.45)) * (22 if dark else 3)
    cord = geo.cylinder(0.01, 0.6, 5).transformed(geo.translate(0, HIGH - 0.6, 0))
    shade = geo.lathe([(0.26, 0), (0.08, 0.22)], 16).transformed(geo.translate(0, 2.05, 0))
    lamps = [props.glow(geo.translate(0, 2.08, 0), 0.11, (float(warm[0]), float(warm[1]), float(warm[2])))]
    parts = [Part(geo.merge([cord, shade]), "copper")]
    if dark:
        x = float(rng.choice([-1, 1])) * 2.7
        stand = geo.merge([geo.cylinder(0.02, 1.5, 6), geo.cylinder(0.16, 0.03, 14)])
        parts.append(Part(stand.transformed(geo.translate(x, 0, -1.4)), "steel"))
        lamps.append(props.glow(geo.translate(x, 1.55, -1.4), 0.16, (12.0, 9.0, 6.0)))
    return parts, lamps


def _movers(rng: np.random.Generator) -> list[Mover]:
    """Somebody who walks through, and a toy car that circles the table."""
    way = float(rng.choice([-1, 1]))
    track = Track(rounded([(way * (WIDE + 2.8), PASSAGE), (-way * (WIDE + 2.8), PASSAGE)], 1),
                  float(rng.uniform(0.9, 1.3)), float(rng.uniform(0, 12)))
    movers = props.walker(track, int(rng.integers(props.COATS)), 1, float(rng.uniform(1.6, 1.85)))
    ring = rounded([(0, -1.5), (1.9, -1.5), (1.9, 1.3), (-1.9, 1.3), (-1.9, -1.5), (0, -1.5)], 0.5, 0.012)
    toy = tuple(replace(p, mesh=p.mesh.transformed(geo.scale(0.09))) for p in props.car("paint0", 2))
    movers.append(Mover(toy, Track(ring, float(rng.uniform(0.5, 1.0)), float(rng.uniform(0, 12)))))
    return movers


def _shots(rng: np.random.Generator) -> tuple[Shot, ...]:
    shots: list[Shot] = []
    for i in range(8):
        way = float(rng.choice([-1, 1]))
        angle = float(rng.uniform(0.9, 2.2))
        if i % 3 == 2:  # along the room, looking across the table
            eye = (way * 1.8, float(rng.uniform(1.3, 1.7)), float(rng.uniform(1.4, 2.4)))
            shots.append(along(eye, (way * 0.6, 0.9, -1.2), (-way * 0.3, 0, 0), 0.2))
        else:
            shots.append(orbit((0.0, float(rng.uniform(0.7, 1.0)), -0.4), float(rng.uniform(1.9, 2.7)),
                               float(rng.uniform(1.1, 1.8)), angle, way * float(rng.uniform(0.03, 0.07))))
    return tuple(shots)


def build(seed: int) -> Scene:
    """The room that belongs to `seed`."""
    rng = np.random.default_rng([seed, 3])
    dark = bool(rng.random() < 0.45)
    time = "night" if dark else str(rng.choice(["noon", "low sun", "overcast"]))
    materials = _materials(rng)
    parts, lamps = _lamps(rng, dark)
    outside = sky(rng, time)
    # The game lights a room by its lamps and an even grey; it would let the sun through the ceiling.
    inside = replace(outside, sunlight=(0.12, 0.12, 0.11), ambient=(0.22, 0.20, 0.18) if dark else (0.52, 0.51, 0.49))
    caption = f"a furnished room, {'lamplight at night' if dark else 'daylight, ' + time}"
    return Scene(caption, materials, (*_shell(rng), *_table(rng), *_furniture(rng), *parts), tuple(_movers(rng)),
                 tuple(lamps), inside, _shots(rng))
