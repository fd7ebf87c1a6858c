"""Leaves cut out of their cards: a path tracer's shadow rays see geometry, not a picture's alpha."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.spatial import Delaunay

from engine_plugins.demo_game.geometry import F32, Mesh

SIDE = 64
"""Texels a side to which a card's alpha is brought before its outline is followed."""
TOLERANCE = 1.3
"""Texels of `SIDE` by which the outline may be off: about 12 triangles a card, enough for a picture of 256 x 144."""


def outline(alpha: NDArray[np.uint8]) -> tuple[F32, NDArray[np.uint32]]:
    """Triangles that cover what is there of a card: (V, 2) in its texture coordinates, (T, 3)."""
    small = np.asarray(cv2.resize(alpha, (SIDE, SIDE), interpolation=cv2.INTER_AREA), np.uint8)
    mask = (small >= 96).astype(np.uint8)
    found, _ = cv2.findContours(mask, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    points: list[NDArray[Any]] = []
    for contour in found:
        if cv2.contourArea(contour) >= 6:
            points.append(cv2.approxPolyDP(contour, TOLERANCE, closed=True)[:, 0])
    corners = np.unique(np.concatenate(points), axis=0).astype(np.float64)
    triangles = Delaunay(corners).simplices
    centre = corners[triangles].mean(1)
    # A triangle belongs to the leaf if most of it lies on the mask.
    samples = [centre] + [centre * 0.4 + corners[triangles[:, i]] * 0.6 for i in range(3)]
    inside = sum(mask[np.clip(np.round(s[:, 1]).astype(int), 0, SIDE - 1),
                      np.clip(np.round(s[:, 0]).astype(int), 0, SIDE - 1)].astype(int) for s in samples)
    kept = triangles[inside >= 3]
    uv = np.stack([(corners[:, 0] + 0.5) / SIDE, 1 - (corners[:, 1] + 0.5) / SIDE], 1)
    return uv.astype(np.float32), kept.astype(np.uint32)


def cut_out(cards: Mesh, alpha: NDArray[np.uint8]) -> Mesh:
    """Quads (four vertices each, texture corners 0 and 1) as triangles of what `alpha` leaves of them."""
    uv, triangles = outline(alpha)
    corner = cards.position.reshape(-1, 4, 3)
    at = cards.uv.reshape(-1, 4, 2)
    u, v = uv[:, 0], uv[:, 1]
    weight = np.stack([np.prod(np.where(at[0, i] > 0.5, np.stack([u, v], 1), 1 - np.stack([u, v], 1)), axis=1)
                       for i in range(4)], 1)  # bilinear
    position = np.einsum("vk,ckd->cvd", weight, corner)
    normal = np.einsum("vk,ckd->cvd", weight, cards.normal.reshape(-1, 4, 3))
    normal /= np.maximum(np.linalg.norm(normal, axis=-1, keepdims=True), 1e-9)
    count, each = len(corner), len(uv)
    index = triangles[None] + (np.arange(count, dtype=np.uint32) * each)[:, None, None]
    return Mesh(position.reshape(-1, 3).astype(np.float32), normal.reshape(-1, 3).astype(np.float32),
                np.tile(uv, (count, 1)), index.reshape(-1, 3).astype(np.uint32))
