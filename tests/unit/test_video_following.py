import pytest
import torch
from small_models.video_models import SIDE, small_video

from promptreg.models.video_following import begun, followed
from promptreg.models.video_frames import Clicks, Frames
from promptreg.models.video_net import VideoNet, best_of
from promptreg.types import Grid

N_FRAMES = 9


@pytest.fixture(scope="module")
def net():
    return VideoNet(small_video())


@pytest.fixture(scope="module")
def pixels():
    """Smooth random frames, normalized (N, 3, SIDE, SIDE)."""
    coarse = torch.randn(N_FRAMES, 3, 9, 9, generator=torch.Generator().manual_seed(0))
    return torch.nn.functional.interpolate(coarse, (SIDE, SIDE), mode="bicubic")


@pytest.fixture(scope="module")
def frames(net, pixels):
    levels = net.encode(pixels)
    return Frames(levels, Grid((SIDE, SIDE), torch.eye(3).numpy()), 0)


def clicks_on(frame, places, labels=None):
    """One prompt of clicks x, y on one frame."""
    points = torch.tensor([places], dtype=torch.float32)
    kinds = torch.tensor([labels or [1] * len(places)])
    return Clicks.of(points, torch.full(points.shape[:2], frame), kinds)


def chosen(net, frames, clicks):
    masks = net.clicked(frames.levels.rows(clicks.start), clicks.places, clicks.on(clicks.start))
    return masks, best_of(masks)


@pytest.fixture
def single_precision(monkeypatch):
    """The session keeps memories in half the bytes, to save room; here both keep all digits."""
    monkeypatch.setattr(torch, "bfloat16", torch.float32)


def by_the_session(model, pixels, frame, clicks, *, reverse, corrected=None):
    """Masks of frames, by number, by the package's own session; `corrected` are clicks on a later frame."""
    from transformers.models.sam2_video.modeling_sam2_video import Sam2VideoInferenceSession

    session = Sam2VideoInferenceSession(pixels, dtype=torch.float32)
    number = session.obj_id_to_idx(1)

    def click(at, one):
        inputs = {"point_coords": one.places[:, None], "point_labels": one.labels[:, None].int()}
        session.add_point_inputs(number, at, inputs)
        session.obj_with_new_inputs = [1]

    click(frame, clicks)
    found = {frame: model(session, frame_idx=frame).pred_masks[0, 0]}
    for one in range(frame - 1, -1, -1) if reverse else range(frame + 1, len(pixels)):
        if corrected and one == corrected[0]:
            # A frame that was tracked before is corrected, not begun anew.
            session.frames_tracked_per_obj[number][one] = {"reverse": reverse}
            click(*corrected)
        found[one] = model(session, frame_idx=one, reverse=reverse).pred_masks[0, 0]
    return found


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("places", [[[30.0, 90.0]], [[30.0, 90.0], [100.0, 20.0]]])
def test_masks_of_all_frames_are_those_of_the_packages_own_session(
    net, frames, pixels, places, reverse, single_precision
):
    clicks = clicks_on(0 if not reverse else N_FRAMES - 1, places, [1, 0][: len(places)])
    start = int(clicks.start)
    expected = by_the_session(net.model, pixels, start, clicks, reverse=reverse)
    _, first = chosen(net, frames, clicks)
    torch.testing.assert_close(first.logits[0], expected[start], atol=1e-4, rtol=1e-4)
    masks = followed(net, frames, clicks, begun(net, frames, clicks, first))
    assert len(expected) == N_FRAMES
    for number in set(expected) - {start}:
        torch.testing.assert_close(masks[0, number], expected[number], atol=1e-4, rtol=1e-4)


def test_a_correction_on_a_later_frame_is_that_of_the_packages_own_session(
    net, frames, pixels, single_precision
):
    clicks, later = clicks_on(0, [[30.0, 90.0]]), clicks_on(3, [[100.0, 20.0]], [0])
    later = Clicks(later.places, later.frames, later.labels, later.start)
    expected = by_the_session(net.model, pixels, 0, clicks, reverse=False, corrected=(3, later))
    both = Clicks.of(
        *(
            torch.cat([getattr(one, name) for one in (clicks, later)], 1)
            for name in ("places", "frames", "labels")
        )
    )
    _, first = chosen(net, frames, clicks)
    masks = followed(net, frames, both, begun(net, frames, clicks, first))
    for number in range(1, N_FRAMES):
        torch.testing.assert_close(masks[0, number], expected[number], atol=1e-4, rtol=1e-4)
