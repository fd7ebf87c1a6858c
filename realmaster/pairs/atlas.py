"""All textures of a scene in one Mitsuba texture, so that a scene has three materials, whatever it is made of.

Mitsuba traces and compiles every material of its own: a street with a hundred took ten times as long to start a frame
as to trace it. Here a mesh's `face_slot` attribute says which entry of the `Book` its surface is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from engine_plugins.demo_game.scene import Material


@dataclass(frozen=True)
class Book:
    """The textures, one after the other.

    `texels` (N,) u32: red, green, blue as square roots of linear light, and roughness, a byte each from the lowest on;
    rows from the bottom up. `place` (S, 3) u32: first texel, width, height; `nature` (S, 3) f32: tiles a metre,
    metallic, clear-coat.
    """

    texels: NDArray[np.uint32]
    place: NDArray[np.uint32]
    nature: NDArray[np.float32]


def bind(materials: dict[str, Material]) -> tuple[Book, dict[str, int]]:
    """The book of all materials, and each one's slot in it."""
    pages: list[NDArray[np.uint32]] = []
    place: list[tuple[int, int, int]] = []
    start = 0
    for material in materials.values():
        colour = material.texture.colour
        height, width = colour.shape[:2]
        light = colour.astype(np.float32) / 255
        light = np.where(light <= 0.04045, light / 12.92, ((light + 0.055) / 1.055) ** 2.4)
        rough = np.asarray(cv2.resize(material.texture.roughness, (width, height), interpolation=cv2.INTER_LINEAR))
        layers = np.dstack([np.sqrt(light), rough])
        quantised = np.round(np.clip(layers, 0, 1) * 255).astype(np.uint32)[::-1]
        pages.append((quantised << np.array([0, 8, 16, 24], np.uint32)).sum(-1, dtype=np.uint32).ravel())
        place.append((start, width, height))
        start += width * height
    nature = [(1 / m.texture.metres, m.metallic, m.clearcoat) for m in materials.values()]
    return (Book(np.concatenate(pages), np.array(place, np.uint32), np.array(nature, np.float32)),
            {name: i for i, name in enumerate(materials)})


class _Tables:
    """A book's arrays on Mitsuba's side."""

    def __init__(self, mi: Any, book: Book) -> None:
        self.mi, self.texels = mi, mi.UInt32(book.texels)
        self.first, self.width, self.height = (mi.UInt32(np.ascontiguousarray(book.place[:, i])) for i in range(3))
        self.tiles, self.metallic, self.clearcoat = (mi.Float(np.ascontiguousarray(book.nature[:, i]))
                                                     for i in range(3))

    def slot(self, si: Any, active: Any) -> Any:
        """The entry of the surface that was hit."""
        return self.mi.UInt32(si.shape.eval_attribute_1("face_slot", si, active) + 0.5)

    def texel(self, si: Any, active: Any) -> Any:
        """The four bytes, in [0, 1], at a hit: bilinear, repeating."""
        import drjit as dr

        mi, slot = self.mi, self.slot(si, active)
        wide, high = (dr.gather(mi.UInt32, table, slot, active) for table in (self.width, self.height))
        start, scale = dr.gather(mi.UInt32, self.first, slot, active), dr.gather(mi.Float, self.tiles, slot, active)
        x = si.uv.x * scale * mi.Float(wide) - 0.5
        y = si.uv.y * scale * mi.Float(high) - 0.5
        left, low = dr.floor(x), dr.floor(y)
        fx, fy = x - left, y - low
        total = mi.Vector4f(0)
        for dx, wx in ((0, 1 - fx), (1, fx)):
            for dy, wy in ((0, 1 - fy), (1, fy)):
                column, row = self._wrapped(left + dx, wide), self._wrapped(low + dy, high)
                code = dr.gather(mi.UInt32, self.texels, start + row * wide + column, active)
                value = mi.Vector4f(*(mi.Float((code >> shift) & 255) / 255 for shift in (0, 8, 16, 24)))
                total += value * (wx * wy)
        return total

    def _wrapped(self, at: Any, size: Any) -> Any:
        import drjit as dr

        side = self.mi.Float(size)
        return self.mi.UInt32(dr.clip(at - dr.floor(at / side) * side, 0, side - 1))


def textures(mi: Any, book: Book) -> dict[str, Any]:
    """Mitsuba textures that look things up in `book`: "colour", "roughness", "metallic", "clearcoat"."""
    import drjit as dr

    tables = _Tables(mi, book)

    class Page(mi.Texture):
        """One layer of the book."""

        def __init__(self, props: Any) -> None:
            super().__init__(props)
            self.layer = props["layer"]

        def eval(self, si: Any, active: Any = True) -> Any:
            found = tables.texel(si, active)
            return mi.Color3f(found.x * found.x, found.y * found.y, found.z * found.z)

        def eval_3(self, si: Any, active: Any = True) -> Any:
            return self.eval(si, active)

        def eval_1(self, si: Any, active: Any = True) -> Any:
            if self.layer == "roughness":
                return tables.texel(si, active).w
            table = tables.metallic if self.layer == "metallic" else tables.clearcoat
            return dr.gather(mi.Float, table, tables.slot(si, active), active)

        def mean(self) -> Any:
            return mi.Float(0.3)

        def is_spatially_varying(self) -> bool:
            return True

        def to_string(self) -> str:
            return f"Page[{self.layer}]"

    mi.register_texture("realmaster_page", Page)
    return {layer: mi.load_dict({"type": "realmaster_page", "layer": layer})
            for layer in ("colour", "roughness", "metallic", "clearcoat")}
