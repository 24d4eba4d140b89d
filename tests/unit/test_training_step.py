import torch
from tiny_training import shifted_pair, tiny_config

from promptreg.synth import synth_pairs
from promptreg.training.batch import make_batch
from promptreg.training.clicks import simulated_clicks
from promptreg.training.losses import intersection_over_union
from promptreg.training.state import first_state
from promptreg.training.step import Moment, losses, update

CPU = torch.device("cpu")


def drawing(seed=0):
    return torch.Generator().manual_seed(seed)


def one_batch(n_pairs=1, side=32, seed=3):
    return make_batch(synth_pairs(n_pairs, (side, side), seed=seed), 2, drawing())


def test_a_step_changes_weights_and_average_and_counts_images():
    config = tiny_config(warm_up=0)
    state = first_state(config, CPU)
    before = state.trained.net.encoder.stem.weight.clone(), state.average.encoder.stem.weight.clone()
    numbers = update(state, one_batch(), config, Moment(0.0, corrective=False), drawing())
    assert (state.step, state.n_images) == (1, 2)
    assert not torch.equal(state.trained.net.encoder.stem.weight, before[0])
    assert not torch.equal(state.average.encoder.stem.weight, before[1])
    assert numbers["learning_rate"] == config.learning_rate


def test_the_total_is_the_weighed_sum_of_the_losses():
    config = tiny_config(contrast=0.25)
    state = first_state(config, CPU)
    numbers = update(state, one_batch(), config, Moment(0.0, corrective=False), drawing())
    on_embedding = numbers["peak"] + numbers["region"] + numbers["point"]
    assert abs(numbers["loss"] - numbers["mask"] - numbers["iou"] - 0.25 * on_embedding) < 1e-4


def test_every_weight_gets_a_gradient_once_branches_have_begun():
    config = tiny_config(warm_up=0, single_share=0.5)
    state = first_state(config, CPU)
    batch = one_batch(3)
    for _ in range(3):
        update(state, batch, config, Moment(0.5, corrective=True), drawing())
    without = [
        name for name, p in state.trained.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0
    ]
    assert not without


def test_corrective_clicks_change_the_losses_on_masks_alone():
    config = tiny_config()
    trained = first_state(config, CPU).trained
    plain, corrected = (
        losses(trained, one_batch(), config, Moment(0.5, corrective), drawing())
        for corrective in (False, True)
    )
    assert plain["mask"] != corrected["mask"]
    assert torch.equal(plain["peak"], corrected["peak"])


def test_a_tiny_network_learns_one_pair_by_heart():
    config = tiny_config(learning_rate=4e-3, warm_up=10, single_share=1.0, balanced_until=0.0)
    state, batch = first_state(config, CPU), make_batch(shifted_pair(), 2, drawing())
    for step in range(80):
        update(state, batch, config, Moment(step / 160, corrective=False), drawing(step))
    points, labels = simulated_clicks(batch.truth, 1, single_share=1.0, generator=drawing(1))
    with torch.no_grad():
        _, logits, _ = state.trained.net(batch.images, points, labels)
    overlaps = intersection_over_union(logits, batch.truth[:, :, None].expand_as(logits))
    assert overlaps[..., 1:].amax(-1)[batch.valid].mean() > 0.7
