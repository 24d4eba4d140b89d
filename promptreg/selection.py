"""Which of the stored prompts and views are used: what makes an ablation cost no new search.

ROIs are stored by prompt and view. The first prompts of a larger draw are those of a smaller one, and the
first views likewise, so that to leave some out is never to have searched them.
"""

from __future__ import annotations

from dataclasses import replace

from promptreg.config import Marginalize
from promptreg.search import Rois
from promptreg.types import PointPrompts

_BY_PROMPT_AND_VIEW = (
    *("moving", "visible", "fixed", "points", "labels"),
    *("residual", "agreement", "cycle"),
)


def selected(rois: Rois, config: Marginalize) -> Rois:
    """Return the ROIs of the prompts and views that `config` asks for, in their order.

    Prompts are chosen by location first and then by number, views by family and then by number; the
    identity, which is the first view, belongs to every family.

    Raises:
        ValueError: fewer prompts of a location or views of a family are stored than asked for, or nobody
            said where prompts lie or what views are.
    """
    return _of_views(_of_prompts(rois, _prompts(rois, config)), _views(rois, config))


def _prompts(rois: Rois, config: Marginalize) -> list[int]:
    """Numbers of the prompts to use."""
    every = list(range(len(rois.moving)))
    if config.location == "all":
        return every[: config.prompts]
    if rois.inside is None:
        msg = f"marginalize.location is '{config.location}', but the moving image has no labels"
        raise ValueError(msg)
    wanted = config.location == "inside"
    found = [k for k in every if bool(rois.inside[k]) == wanted]
    return _first(found, config.prompts, f"prompts {config.location} labels", "search.prompts.count")


def _views(rois: Rois, config: Marginalize) -> list[int]:
    """Numbers of the views to use."""
    every = list(range(rois.moving.shape[1]))
    if config.family == "all":
        return every[: config.views]
    if not rois.families:
        msg = f"marginalize.family is '{config.family}', but the kinds of the views are not known"
        raise ValueError(msg)
    found = [j for j in every if j == 0 or rois.families[j] == config.family]
    return _first(found, config.views, f"views of the family {config.family}", "embed.views.count")


def _first(found: list[int], count: int | None, what: str, key: str) -> list[int]:
    if len(found) < (count or 1):
        msg = f"marginalize asks for {count or 1} {what}, but {len(found)} are stored: raise {key}"
        raise ValueError(msg)
    return found[:count]


def _of_prompts(rois: Rois, chosen: list[int]) -> Rois:
    if len(chosen) == len(rois.moving):
        return rois
    return replace(
        rois,
        prompts=PointPrompts(rois.prompts.points[chosen], rois.prompts.labels[chosen]),
        inside=None if rois.inside is None else rois.inside[chosen],
        **{name: getattr(rois, name)[chosen] for name in _BY_PROMPT_AND_VIEW},
    )


def _of_views(rois: Rois, chosen: list[int]) -> Rois:
    if len(chosen) == rois.moving.shape[1]:
        return rois
    return replace(
        rois,
        families=tuple(rois.families[j] for j in chosen) if rois.families else (),
        **{name: getattr(rois, name)[:, chosen] for name in _BY_PROMPT_AND_VIEW},
    )
