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
# A context without matrix stack, as far as the votes ask it.
CONTEXT = """#include "gl.h"
static const GLubyte *version(GLenum what) { return (const GLubyte *)(what == GL_VERSION ? "OpenGL ES 3.2" : ""); }
gl_functions gl = {.GetString = version};
"""
LENS = projection(1.2, 1.8, 0.1, 500)
NOWHERE = Camera()


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


@pytest.fixture
def c(library) -> ctypes.CDLL:
    library.camera_reset()
    library.camera_frame()
    return library


def draw(c: ctypes.CDLL, program: int, seen: np.ndarray, vertices: int) -> None:
    c.uniforms_use(program)
    c.uniforms_set(program, 0, 0, given_to(LENS @ seen))
    assert c.camera_draw(0, ctypes.c_long(vertices)) == 1


def chosen(c: ctypes.CDLL, last: Camera = NOWHERE) -> np.ndarray:
    found = c.camera_of(0, ctypes.byref(last))
    assert found.known
    return taken(found.view)


WORLD, PLAYER = view(0.5, 0.1, 0, (30, 2, 9)), view(2.1, 0.3, 0.1, (1, 1, 4))


def test_votes_that_differ_by_rounding_are_counted_together(c):
    for program, turn in enumerate((0, 1e-6, 2e-6), 1):
        draw(c, program, view(0.5 + turn, 0.1, 0, (30, 2, 9)), 6000)
    draw(c, 9, PLAYER, 9000)
    assert np.allclose(chosen(c), WORLD, atol=1e-2)


@pytest.mark.parametrize(("vertices", "expected"), [(7000, WORLD), (5000, PLAYER)])
def test_what_nearly_ties_and_is_close_to_the_last_camera_is_taken(c, vertices, expected):
    draw(c, 1, WORLD, vertices)
    draw(c, 2, PLAYER, 9000)
    last = Camera(1, given_to(view(0.45, 0.1, 0, (30, 2, 8.8))), given_to(LENS))
    assert np.allclose(chosen(c, last), expected, atol=1e-2)


def test_after_a_cut_most_vertices_decide(c):
    draw(c, 1, PLAYER, 7000)
    draw(c, 2, WORLD, 9000)
    last = Camera(1, given_to(view(-2, 0.6, 0, (-80, 2, 8))), given_to(LENS))
    assert np.allclose(chosen(c, last), WORLD, atol=1e-2)
