"""What the modules of `segment_anything` answer to an encoder input and to prompts in its pixels."""

from __future__ import annotations

import torch


@torch.no_grad()
def answers(sam, prepared, points, labels=None, *, boxes=None, multimask):
    """Features (C, h, w), logits (1, M, 4h, 4w) and scores (1, M) by the package's own modules.

    `prepared` (3, side, side) is what the encoder sees; `points` (P, 2) and `boxes` (1, 4) count its pixels.
    """
    features = sam.image_encoder(prepared[None])
    given = None if points is None else (points[None], torch.tensor([labels]))
    sparse, dense = sam.prompt_encoder(points=given, boxes=boxes, masks=None)
    logits, scores = sam.mask_decoder(
        image_embeddings=features,
        image_pe=sam.prompt_encoder.get_dense_pe(),
        sparse_prompt_embeddings=sparse,
        dense_prompt_embeddings=dense,
        multimask_output=multimask,
    )
    return features[0], logits, scores


def stretched(points, shape, side):
    """Points (P, 2) y, x in pixels of an image, as x, y in pixels of the square it is stretched to."""
    factor = side / torch.tensor(shape)
    return ((points + 0.5) * factor - 0.5).flip(-1)
