"""What the capture library makes of a game's matrices: its own C, by way of ctypes."""

from __future__ import annotations

import ctypes
import shutil
import subprocess

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine_plugins.opengl.library import SOURCE

pytestmark = pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler: apt-get install gcc libc6-dev")
MATRIX = ctypes.c_float * 16


class Camera(ctypes.Structure):
    _fields_ = (("known", ctypes.c_int), ("view", MATRIX), ("projection", MATRIX),
                ("reversed", ctypes.c_int))


@pytest.fixture(scope="module")
def c(tmp_path_factory) -> ctypes.CDLL:
    library = tmp_path_factory.mktemp("matrix") / "matrix.so"
    subprocess.run(["cc", "-std=c11", "-shared", "-fPIC", "-o", library, SOURCE / "matrix.c", "-lm"], check=True)
    return ctypes.CDLL(str(library))


def given_to(matrix: np.ndarray) -> ctypes.Array:
    return MATRIX(*matrix.T.astype(np.float32).ravel())


def taken(values: ctypes.Array) -> np.ndarray:
    return np.array(values).reshape(4, 4).T


def projection(fov: float, aspect: float, near: float, far: float) -> np.ndarray:
    up = 1 / np.tan(fov / 2)
    return np.array([[up / aspect, 0, 0, 0], [0, up, 0, 0],
                     [0, 0, (near + far) / (near - far), 2 * near * far / (near - far)], [0, 0, -1, 0]])


def view(yaw: float, pitch: float, roll: float, place: tuple[float, float, float]) -> np.ndarray:
    (a, b), (c, d), (e, f) = ((np.cos(t), np.sin(t)) for t in (yaw, pitch, roll))
    turn = (np.array([[e, -f, 0], [f, e, 0], [0, 0, 1]]) @ np.array([[1, 0, 0], [0, c, -d], [0, d, c]])
            @ np.array([[a, 0, b], [0, 1, 0], [-b, 0, a]]))
    out = np.eye(4)
    out[:3, :3], out[:3, 3] = turn, -turn @ np.array(place)
    return out


angles = st.floats(-3, 3)
cameras = st.builds(view, angles, st.floats(-1.4, 1.4), angles, st.tuples(*[st.floats(-50, 50)] * 3))
projections = st.builds(projection, st.floats(0.4, 2), st.floats(0.5, 3), st.floats(0.05, 2), st.floats(50, 5000))


@given(cameras, projections)
def test_a_product_comes_apart_into_what_it_was_made_of(c, seen, lens):
    found = Camera()
    assert c.matrix_take_apart(given_to(lens @ seen), ctypes.byref(found)) == 1 and found.known
    assert np.allclose(taken(found.view), seen, atol=2e-2)
    assert np.allclose(taken(found.projection)[:2], lens[:2], atol=1e-2)
    assert np.allclose(taken(found.projection) @ taken(found.view), lens @ seen, rtol=1e-2, atol=5e-2)


@given(cameras, projections)
def test_kinds_are_told_apart(c, seen, lens):
    assert c.matrix_is_projection(given_to(lens)) and not c.matrix_is_flat(given_to(lens))
    assert c.matrix_as_view(given_to(seen)) and c.matrix_as_view(given_to(seen @ np.diag([2, 2, 2, 1])))
    assert not c.matrix_is_projection(given_to(seen))
    assert not c.matrix_as_view(given_to(seen @ np.diag([1, 3, 1, 1]))), "a squeezed world is no view"


@given(st.floats(0.1, 1.4), st.floats(0.2, 1.2), st.sampled_from(["y", "z"]))
def test_a_level_view_is_known_from_its_inverse(c, yaw, pitch, up):
    seen = view(yaw, pitch, 0, (3, 2, 1))
    if up == "z":
        seen = seen @ np.array([[1, 0, 0, 0], [0, 0, 1, 0], [0, -1, 0, 0], [0, 0, 0, 1]])
    assert c.matrix_level(given_to(seen)) == 1
    assert c.matrix_level(given_to(np.linalg.inv(seen))) == -1


@given(cameras, projections)
def test_a_left_handed_camera_is_turned_round_without_a_pixel_changing(c, seen, lens):
    mirror = np.diag([1, 1, -1, 1])
    camera = Camera(1, given_to(mirror @ seen), given_to(lens @ mirror))
    assert c.matrix_to_standard(ctypes.byref(camera), 0) == 1
    assert taken(camera.projection)[3, 2] == -1
    assert np.allclose(taken(camera.projection) @ taken(camera.view), lens @ seen, atol=1e-2)


@given(projections, st.tuples(*[st.integers(-40, 60)] * 2), st.tuples(st.integers(500, 700), st.integers(300, 400)))
def test_a_viewport_that_is_not_the_picture_is_part_of_the_projection(c, lens, corner, size):
    whole = given_to(lens)
    c.matrix_widen(whole, (ctypes.c_int * 4)(*corner, *size), 640, 360)

    def pixel(lens: np.ndarray, corner: tuple[int, int], size: tuple[int, int]) -> np.ndarray:
        clip = lens @ np.array([0.3, -0.2, -4, 1])
        return np.array(corner) + (clip[:2] / clip[3] + 1) / 2 * size

    assert np.allclose(pixel(taken(whole), (0, 0), (640, 360)), pixel(lens, corner, size), atol=1e-2)
