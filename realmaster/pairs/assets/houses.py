"""Town houses built from numbers: fronts with real window reveals, frames, sills, shops, cornices and roofs.

A house stands on y = 0, its front on z = 0 towards -z, from x = 0 to its width. Texture coordinates are in metres. The
parts are named for what a place dresses them in: wall, base, trim, pane, curtain, roof, door.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from engine_plugins.demo_game.geometry import F32, Mesh, box, merge, translate

LOOKS = {
    "wall": {"colour": [0.72, 0.66, 0.56], "roughness": 0.9}, "base": {"colour": [0.5, 0.48, 0.45], "roughness": 0.85},
    "trim": {"colour": [0.82, 0.80, 0.75], "roughness": 0.6}, "pane": {"colour": [0.10, 0.12, 0.14], "roughness": 0.03},
    "curtain": {"colour": [0.55, 0.53, 0.50], "roughness": 0.05},
    "roof": {"colour": [0.35, 0.25, 0.2], "roughness": 0.9},
    "door": {"colour": [0.25, 0.14, 0.08], "roughness": 0.4},
}


@dataclass
class House:
    """Quads by part."""

    quads: dict[str, list[Mesh]] = field(default_factory=dict)

    def quad(self, part: str, corners: list[tuple[float, float, float]]) -> None:
        """A rectangle, counter-clockwise seen from outside; u along its first side."""
        p = np.array(corners, np.float32)
        across, up = p[1] - p[0], p[3] - p[0]
        normal = np.cross(across, up)
        normal /= np.linalg.norm(normal)
        u, v = across / np.linalg.norm(across), up / np.linalg.norm(up)
        uv = np.stack([p @ u, p @ v], 1).astype(np.float32)
        index = np.array([[0, 1, 2], [0, 2, 3]], np.uint32)
        self.quads.setdefault(part, []).append(Mesh(p, np.tile(normal, (4, 1)).astype(np.float32), uv, index))

    def front(self, part: str, x: tuple[float, float], y: tuple[float, float], z: float) -> None:
        """A rectangle towards -z."""
        if x[1] > x[0] + 1e-4 and y[1] > y[0] + 1e-4:
            self.quad(part, [(x[1], y[0], z), (x[0], y[0], z), (x[0], y[1], z), (x[1], y[1], z)])

    def block(self, part: str, low: tuple[float, float, float], high: tuple[float, float, float]) -> None:
        """A box between two corners."""
        size = [h - lo for lo, h in zip(low, high, strict=True)]
        at = translate((low[0] + high[0]) / 2, low[1], (low[2] + high[2]) / 2)
        self.quads.setdefault(part, []).append(box(*size).transformed(at))

    def opening(self, x: tuple[float, float], y: tuple[float, float], deep: float, bars: tuple[int, int], *,
                pane: str, wall: str) -> None:
        """A window `deep` metres behind the wall: reveals, a frame with (columns, rows) of glass, and a sill."""
        (a, b), (c, d) = x, y
        self.quad(wall, [(a, c, deep), (a, c, 0), (a, d, 0), (a, d, deep)][::-1])
        self.quad(wall, [(b, c, 0), (b, c, deep), (b, d, deep), (b, d, 0)][::-1])
        self.quad(wall, [(a, d, 0), (b, d, 0), (b, d, deep), (a, d, deep)])
        self.quad("trim", [(a, c, deep), (b, c, deep), (b, c, 0), (a, c, 0)])
        self.front(pane, x, y, deep)
        thick = 0.06
        for i in range(bars[0] + 1):
            middle = a + (b - a) * i / bars[0]
            self.block("trim", (max(a, middle - thick / 2), c, deep - 0.05), (min(b, middle + thick / 2), d, deep))
        for i in range(bars[1] + 1):
            middle = c + (d - c) * i / bars[1]
            self.block("trim", (a, max(c, middle - thick / 2), deep - 0.045), (b, min(d, middle + thick / 2), deep))
        if c > 0.5:
            self.block("trim", (a - 0.08, c - 0.1, -0.1), (b + 0.08, c, 0.04))

    def row(self, wall: str, width: float, y: tuple[float, float], holes: list[tuple[float, float]],
            hole_y: tuple[float, float]) -> None:
        """A storey's wall with holes at x ranges, all between the heights `hole_y`."""
        self.front(wall, (0, width), (y[0], hole_y[0]), 0)
        self.front(wall, (0, width), (hole_y[1], y[1]), 0)
        edges = [0.0, *(e for hole in holes for e in hole), width]
        for low, high in zip(edges[::2], edges[1::2], strict=True):
            self.front(wall, (low, high), hole_y, 0)

    def meshes(self) -> list[tuple[Mesh, str]]:
        """One mesh for each part."""
        return [(merge(found), part) for part, found in self.quads.items()]


def build(seed: int) -> list[tuple[Mesh, str]]:
    """The house that belongs to `seed`."""
    rng = np.random.default_rng([seed, 40])
    house = House()
    columns, floors = int(rng.integers(3, 7)), int(rng.integers(2, 6))
    pitch, storey, ground = float(rng.uniform(2.0, 2.9)), float(rng.uniform(2.9, 3.5)), float(rng.uniform(3.3, 4.2))
    width, depth = columns * pitch, float(rng.uniform(9, 12))
    wide, tall = float(rng.uniform(0.95, min(1.5, pitch - 0.6))), float(rng.uniform(1.4, 2.0))
    bars = (int(rng.integers(1, 3)), int(rng.integers(1, 4)))
    deep = float(rng.uniform(0.1, 0.25))
    _ground_floor(house, rng, width, ground)
    for floor in range(floors):
        low = ground + floor * storey
        holes = [((i + 0.5) * pitch - wide / 2, (i + 0.5) * pitch + wide / 2) for i in range(columns)]
        span = (low + 0.75, low + 0.75 + tall)
        house.row("wall", width, (low, low + storey), holes, span)
        for hole in holes:
            house.opening(hole, span, deep, bars, pane="curtain" if rng.random() < 0.3 else "pane", wall="wall")
    top = ground + floors * storey
    house.block("trim", (0, ground - 0.12, -0.12), (width, ground + 0.12, 0.02))
    house.block("trim", (-0.02, top - 0.25, -0.35), (width + 0.02, top, 0.05))
    house.quad("wall", [(0, 0, 0), (0, 0, depth), (0, top, depth), (0, top, 0)])
    house.quad("wall", [(width, 0, depth), (width, 0, 0), (width, top, 0), (width, top, depth)])
    house.quad("wall", [(0, 0, depth), (width, 0, depth), (width, top, depth), (0, top, depth)])
    _roof(house, rng, width, depth, top)
    return house.meshes()


def _ground_floor(house: House, rng: np.random.Generator, width: float, ground: float) -> None:
    """A door, and shop windows or plain ones."""
    door = float(rng.uniform(0.4, 0.8)), 1.15
    left = bool(rng.random() < 0.5)
    span = (door[0], door[0] + door[1]) if left else (width - door[0] - door[1], width - door[0])
    shop = rng.random() < 0.55
    low, high = (0.45, ground - 0.75) if shop else (1.0, min(2.8, ground - 0.6))
    area = (span[1] + 0.4, width - 0.4) if left else (0.4, span[0] - 0.4)
    count = max(1, round((area[1] - area[0]) / (2.6 if shop else 2.2)))
    step = (area[1] - area[0]) / count
    gap = 0.15 if shop else 0.5
    holes = [(area[0] + i * step + gap, area[0] + (i + 1) * step - gap) for i in range(count)]
    every = sorted([*holes, span])
    # The door's opening goes to the ground; below the windows the base is closed again.
    house.row("base", width, (0, ground), every, (0.0, high))
    for hole in holes:
        house.front("base", hole, (0, low), 0)
        house.opening(hole, (low, high), 0.2, (1 if shop else 2, 1), pane="pane", wall="base")
    house.front("door", span, (0, 2.25), 0.25)
    house.quad("base", [(span[0], 0, 0.25), (span[0], 0, 0), (span[0], high, 0), (span[0], high, 0.25)][::-1])
    house.quad("base", [(span[1], 0, 0), (span[1], 0, 0.25), (span[1], high, 0.25), (span[1], high, 0)][::-1])
    if high > 2.25:
        house.front("pane", span, (2.25, high), 0.25)
        house.block("trim", (span[0], 2.2, 0.18), (span[1], 2.3, 0.25))
    for x in span:
        house.block("trim", (x - 0.06, 0, 0.15), (x + 0.06, high, 0.25))
    house.block("trim", (span[0] + 0.12, 0.95, 0.2), (span[0] + 0.18, 1.15, 0.25))


def _roof(house: House, rng: np.random.Generator, width: float, depth: float, top: float) -> None:
    """A pitched roof with its ridge along the street, or a flat one behind a parapet."""
    if rng.random() < 0.35:
        house.block("wall", (0, top, 0), (width, top + 0.7, 0.3))
        house.block("roof", (0, top - 0.1, 0.3), (width, top + 0.05, depth))
        return
    rise, eave = float(rng.uniform(2.2, 4.0)), 0.4
    half = depth / 2
    house.quad("roof", [(width, top, -eave), (0, top, -eave), (0, top + rise, half), (width, top + rise, half)])
    house.quad("roof", [(0, top, depth + eave), (width, top, depth + eave), (width, top + rise, half),
                        (0, top + rise, half)])
    for x in (0.0, width):
        p: F32 = np.array([(x, top, 0), (x, top, depth), (x, top + rise, half)], np.float32)
        index = np.array([[0, 1, 2]] if x == 0 else [[0, 2, 1]], np.uint32)
        n = np.tile(np.array([[-1.0 if x == 0 else 1.0, 0, 0]], np.float32), (3, 1))
        house.quads.setdefault("wall", []).append(Mesh(p, n, np.ascontiguousarray(p[:, [2, 1]]), index))
    for _ in range(int(rng.integers(1, 3))):
        x = float(rng.uniform(0.5, width - 1.3))
        house.block("base", (x, top + rise * 0.4, half - 0.4), (x + 0.8, top + rise + 1.0, half + 0.3))
    house.block("trim", (-0.02, top - 0.02, -eave - 0.12), (width + 0.02, top + 0.1, -eave + 0.02))  # the gutter
