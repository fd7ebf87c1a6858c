"""Which of a frame's matrices the capture library takes for the camera: its own C, by way of ctypes."""

from __future__ import annotations

import ctypes
import shutil
import subprocess

import numpy as np
import pytest

from engine_plugins.opengl.library import SOURCE
from tests.unit.test_matrix import Camera, given_to, projection, taken, view

pytestmark = pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler: apt-get install gcc libc6-dev")
CONTEXT = '#include "gl.h"\ngl_functions gl;\nvoid gl_errors_hold(void) {}\nvoid gl_errors_drop(void) {}\n'
"""No OpenGL: nothing can be asked of it."""
LENS = projection(1.2, 1.8, 0.1, 500)
NOWHERE = Camera()


class Abilities(ctypes.Structure):
    _fields_ = (("embedded", ctypes.c_int), ("version", ctypes.c_int), ("stack", ctypes.c_int))


@pytest.fixture(scope="module")
def library(tmp_path_factory) -> ctypes.CDLL:
    folder = tmp_path_factory.mktemp("camera")
    (folder / "context.c").write_text(CONTEXT)
    sources = [folder / "context.c", *(SOURCE / f"{name}.c" for name in ("camera", "uniforms", "matrix"))]
    subprocess.run(["cc", "-std=c11", "-shared", "-fPIC", "-I", SOURCE, "-o", folder / "camera.so", *sources, "-lm"],
                   check=True)
    loaded = ctypes.CDLL(str(folder / "camera.so"))
    loaded.camera_of.restype = Camera
    return loaded


class Frame:
    """A frame of a context of OpenGL 3.3 without matrix stack: what is drawn, and what the library makes of it."""

    def __init__(self, c: ctypes.CDLL) -> None:
        self.c, self.can = c, Abilities(0, 33, 0)
        self.uniforms, self.votes = (ctypes.create_string_buffer(4 << 20) for _ in range(2))

    def give(self, program: int, *matrices: np.ndarray) -> None:
        """Matrices at locations 0, 1, 2 of a program, which is then used."""
        self.c.uniforms_use(self.uniforms, program)
        for location, matrix in enumerate(matrices):
            self.c.uniforms_set(self.uniforms, program, location, 0, given_to(matrix))

    def draw(self, vertices: int, zero_to_one: int = 0) -> int:
        """Returns with how many cameras it may have been drawn."""
        found = (Camera * 8)()
        count = self.c.camera_candidates(self.uniforms, ctypes.byref(self.can), found)
        self.c.camera_vote(self.votes, 0, ctypes.c_long(vertices), found, count, zero_to_one)
        return count

    def camera(self, last: Camera = NOWHERE, aspect: float = 1.8) -> Camera:
        return self.c.camera_of(self.votes, 0, ctypes.c_float(aspect), ctypes.byref(last))


@pytest.fixture
def frame(library) -> Frame:
    return Frame(library)


def draw(frame: Frame, program: int, seen: np.ndarray, vertices: int) -> None:
    frame.give(program, LENS @ seen)
    assert frame.draw(vertices) == 1


def chosen(frame: Frame, last: Camera = NOWHERE) -> np.ndarray:
    found = frame.camera(last)
    assert found.known
    return taken(found.view)


WORLD, PLAYER = view(0.5, 0.1, 0, (30, 2, 9)), view(2.1, 0.3, 0.1, (1, 1, 4))


def test_votes_that_differ_by_rounding_are_counted_together(frame):
    for program, turn in enumerate((0, 1e-6, 2e-6), 1):
        draw(frame, program, view(0.5 + turn, 0.1, 0, (30, 2, 9)), 6000)
    draw(frame, 9, PLAYER, 9000)
    assert np.allclose(chosen(frame), WORLD, atol=1e-2)


@pytest.mark.parametrize(("vertices", "expected"), [(7000, WORLD), (5000, PLAYER)])
def test_what_nearly_ties_and_is_close_to_the_last_camera_is_taken(frame, vertices, expected):
    draw(frame, 1, WORLD, vertices)
    draw(frame, 2, PLAYER, 9000)
    last = Camera(1, given_to(view(0.45, 0.1, 0, (30, 2, 8.8))), given_to(LENS))
    assert np.allclose(chosen(frame, last), expected, atol=1e-2)


def test_after_a_cut_most_vertices_decide(frame):
    draw(frame, 1, PLAYER, 7000)
    draw(frame, 2, WORLD, 9000)
    last = Camera(1, given_to(view(-2, 0.6, 0, (-80, 2, 8))), given_to(LENS))
    assert np.allclose(chosen(frame, last), WORLD, atol=1e-2)


def test_what_turns_normals_is_not_taken_for_the_camera(frame):
    """With the camera's product beside it, as glmark2 has it: the inverse of the place, transposed."""
    seen = view(0.5, 0.1, 0, (0, 0, 3))
    seen[:3, 3] = 0, 0, -3  # then the matrix for normals looks most like a projection
    frame.give(1, np.linalg.inv(seen).T, LENS @ seen)
    assert frame.draw(6000) == 1
    assert np.allclose(chosen(frame), seen, atol=1e-3)


def test_a_rotation_alone_is_not_taken_for_the_camera(frame):
    turn = WORLD.copy()
    turn[:3, 3] = 0
    frame.give(1, LENS, turn, WORLD)
    assert frame.draw(6000) == 1
    assert np.allclose(chosen(frame), WORLD, atol=1e-3)


BIAS = np.array([[0.5, 0, 0, 0.5], [0, 0.5, 0, 0.5], [0, 0, 0.5, 0.5], [0, 0, 0, 1]])


def test_where_a_light_looks_shadows_up_is_not_taken_for_the_camera(frame):
    light = BIAS @ projection(0.9, 1, 1, 60) @ view(1, -0.8, 0, (5, 9, 5))
    frame.give(1, light, LENS @ WORLD)
    assert frame.draw(6000) == 1
    assert np.allclose(chosen(frame), WORLD, atol=1e-2)


def test_a_light_that_sees_a_square_is_not_taken_where_the_picture_is_wide(frame):
    """It stands still, while every thing has a place of its own."""
    light = projection(0.9, 1, 1, 60) @ view(1, -0.8, 0, (5, 9, 5))
    for place in range(3):
        moved = np.eye(4)
        moved[:3, 3] = place, 0, -2 * place
        frame.give(1, light, LENS @ WORLD @ moved)
        frame.draw(4000 + place)
    found = frame.camera()
    assert not found.known or abs(found.projection[5] / found.projection[0] / 1.8 - 1) < 0.02


@pytest.mark.parametrize("zero_to_one", [0, 1])
@pytest.mark.parametrize("reversed_depth", [0, 1])
def test_depth_may_run_either_way_and_from_zero(frame, zero_to_one, reversed_depth):
    turned = np.diag([1, 1, -1 if reversed_depth else 1, 1])
    halved = np.diag([1, 1, 0.5, 1]) + np.array([[0] * 4, [0] * 4, [0, 0, 0, 0.5], [0] * 4]) * 1.0
    frame.give(1, (halved if zero_to_one else np.eye(4)) @ turned @ LENS @ WORLD)
    assert frame.draw(6000, zero_to_one) == 1
    found = frame.camera()
    assert found.known and found.reversed == reversed_depth
    assert np.allclose(taken(found.projection), LENS, atol=1e-3)
