"""What a picture is judged by: its pixels, edges and change in time, weighted; features; and a critic.

Pictures are (B, T, 3, H, W) in [-1, 1].
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from realmaster.models.tiny.codec import GROUP

SKY, OBJECT, SHADOW = 0.5, 2.0, 2.0
"""Weight of the sky's pixels; what is added to that of others, 1, on what moves by itself and in shadows."""
DARKER = 0.35
"""Natural logarithms by which a shadow is darker, against the game, than the middle of its picture."""
BORDER = 4.0
LUMA = (0.299, 0.587, 0.114)


def shadows(game: Tensor, photo: Tensor, what: Tensor) -> Tensor:
    """Where the photograph's light falls short of the game's, which has no shadows: (B * T, 1, H/4, W/4) of 0 and 1."""
    luma = torch.tensor(LUMA)[:, None, None]
    dark, bright = (F.avg_pool2d(((v + 1) / 2 * luma).sum(2).flatten(0, 1)[:, None], 4) for v in (photo, game))
    ratio = torch.log(dark + 0.05) - torch.log(bright + 0.05)
    sky = _sky(what)
    middle = torch.nan_to_num(ratio.masked_fill(sky, float("nan")).flatten(1).nanmedian(1).values)
    return ((ratio < middle[:, None, None, None] - DARKER) & ~sky).float()


def weights(game: Tensor, photo: Tensor, what: Tensor) -> Tensor:
    """Weights (B, T, 1, H, W) with a mean of 1, from what is there, (B, T, H/2, W/2), and where shadows are."""
    moving = F.max_pool2d(what.flatten(0, 1)[:, None].eq(2).float(), 2)
    weight = torch.where(_sky(what), SKY, 1 + OBJECT * moving + SHADOW * shadows(game, photo, what))
    weight = weight / weight.mean((1, 2, 3), keepdim=True)
    return F.interpolate(weight, scale_factor=4.0, mode="nearest").unflatten(0, game.shape[:2])


def _sky(what: Tensor) -> Tensor:
    return F.avg_pool2d(what.flatten(0, 1)[:, None].eq(0).float(), 2) > 0.5


def picture_loss(out: Tensor, photo: Tensor, weight: Tensor) -> Tensor:
    """Absolute and squared error of the pixels, and of their differences in x and y, which keeps edges."""
    error = out - photo
    loss = (weight * (error.abs() + 2 * error.square())).mean()
    return loss + error.diff(dim=-1).abs().mean() + error.diff(dim=-2).abs().mean()


def change_loss(out: Tensor, photo: Tensor) -> Tensor:
    """How much the change from frame to frame differs from the truth's: flicker costs, motion does not.

    Where a group of frames ends it counts `BORDER` times: the next is made anew, and may jump.
    """
    change = (out - photo).diff(dim=1).abs().mean((0, 2, 3, 4))
    weight = torch.ones_like(change)
    weight[GROUP - 1::GROUP] = BORDER
    return (weight * change).mean()
