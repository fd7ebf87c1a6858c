"""That a LoRA learns to read its reference: what catches one that is silently ignored. Slow: it trains."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from benchmarks.in_context import FRAMES, learn  # noqa: E402
from tests.checkpoints import MODELS  # noqa: E402

torch.set_num_threads(2)


@pytest.mark.slow
@pytest.mark.parametrize("attention", ["one_way", "full"])
@pytest.mark.parametrize("name", [name for name in MODELS if name != "wan22-a14b"])
def test_the_true_reference_is_worth_far_more_than_another(name, attention):
    """Wan2.2-A14B's experts are Wan2.1's transformer twice."""
    losses = learn(name, attention)[FRAMES]
    assert losses.true < 0.5 * losses.shuffled and losses.true < 0.5 * losses.zero
