"""Frame memory is used again, and never while somebody looks at it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from capture.pool import SlabPool


@given(st.lists(st.integers(0, 5), max_size=60))
def test_a_slab_in_use_is_never_handed_out_again(releases):
    pool, held = SlabPool(), []
    for number, release in enumerate(releases):
        view = pool.take(64)[8:24].view("<u4").reshape(2, 2)
        view[:] = number
        held.append((number, view))
        assert all((v == n).all() for n, v in held)
        del view
        if release < len(held):
            del held[release]
    assert len(pool._slabs) <= len(releases)


def test_slabs_come_back_and_too_small_ones_go():
    pool = SlabPool()
    first = pool.take(100)
    address = first.ctypes.data
    del first
    again = pool.take(90)
    assert again.ctypes.data == address
    del again
    assert len(pool.take(200)) == 200
    assert len(pool._slabs) == 1
