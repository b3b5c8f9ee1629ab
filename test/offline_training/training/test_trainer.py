"""One step: shards, what is frozen, precision, clipping."""

import copy

import pytest
import torch
from torch import nn

from mot_compress_ros.errors import InvalidOptionError
from offline_training.losses.config import LossConfig
from offline_training.losses.joint import JointCriterion
from offline_training.training.config import TrainConfig
from offline_training.training.processes import Processes
from offline_training.training.trainer import to_network_input, Trainer, TrainingStoppedError

SGD = {'optimizer': 'sgd', 'momentum': 0.0, 'weight_decay': 0.0, 'schedule': 'constant'}


def config(**options):
    return TrainConfig(
        **{'batch_size': 4, 'precision': 'fp32', 'warmup_steps': 0, 'clip_norm': 0.0, **options}
    )


def trainer(network, **options):
    return Trainer(network, JointCriterion(LossConfig()), config(**options))


def statistics(network):
    return {k: v for k, v in network.state_dict().items() if 'running' in k}


def test_shards_average_gradients_and_running_statistics(make_network, make_sampler):
    """Against two networks that see one half each, in plain torch."""
    network, sampler = make_network(), make_sampler(batch_size=8)
    shards = [sampler.batch(0, shard=s, n_shards=2) for s in (0, 1)]
    alone = []
    for shard in shards:
        one = copy.deepcopy(network).to(memory_format=torch.channels_last).train()
        JointCriterion(LossConfig())(one(to_network_input(shard.images)), shard)[
            'total'
        ].backward()
        alone.append(one)
    start = {name: p.detach().clone() for name, p in network.named_parameters()}
    report = trainer(network, shards=2, batch_size=8, learning_rate=0.1, **SGD).step(0, shards)
    assert report.grad_norm > 0
    pairs = zip(alone[0].named_parameters(), alone[1].parameters(), strict=True)
    for (name, first), second in pairs:
        wanted = start[name] - 0.1 * (first.grad + second.grad) / 2
        torch.testing.assert_close(network.get_parameter(name), wanted, rtol=1e-5, atol=1e-7)
    for name, value in statistics(network).items():
        wanted = (statistics(alone[0])[name] + statistics(alone[1])[name]) / 2
        torch.testing.assert_close(value, wanted, rtol=1e-6, atol=1e-7)
    counters = {v.item() for k, v in network.state_dict().items() if 'tracked' in k}
    assert counters == {1}, 'steps, however many shards they have'


def test_the_shards_of_a_batch_are_its_pairs_in_order(make_sampler):
    sampler = make_sampler(batch_size=8)
    whole = sampler.batch(3)
    halves = [sampler.batch(3, shard=s, n_shards=2) for s in (0, 1)]
    assert torch.equal(whole.images, torch.cat([h.images for h in halves]))
    assert torch.equal(whole.identities, torch.cat([h.identities for h in halves]))
    several = list(sampler.batches(start=3, stop=5, shards=(1,), n_shards=2, workers=2))
    assert torch.equal(several[0][0].images, halves[1].images)
    assert len(several) == 2


def test_processes_take_equal_shares_of_the_shards():
    shares = [list(Processes(rank=rank, size=2).shards(4)) for rank in (0, 1)]
    assert shares == [[0, 1], [2, 3]]
    with pytest.raises(InvalidOptionError, match=r'pass --set train\.shards=2'):
        Processes(rank=0, size=2).shards(3)


def test_a_frozen_part_does_not_move(make_network, make_sampler):
    network = make_network()
    network.backbone.requires_grad_(False)
    before = copy.deepcopy(network.state_dict())
    one = trainer(network, shards=2, learning_rate=0.1)
    one.step(0, [make_sampler().batch(0, shard=s, n_shards=2) for s in (0, 1)])
    after = network.state_dict()
    for name, value in before.items():
        if name.startswith('backbone.'):
            assert torch.equal(value, after[name]), name
    moved = [n for n, v in before.items() if not torch.equal(v, after[n])]
    assert any(name.startswith('hm.') for name in moved)


def test_clipping_limits_the_update_and_the_norm_is_that_before(make_network, make_sampler):
    batch = make_sampler().batch(0)
    free, clipped = make_network(), make_network()
    start = [p.detach().clone() for p in free.parameters()]
    norm = trainer(free, learning_rate=1.0, **SGD).step(0, [batch]).grad_norm
    half = trainer(clipped, learning_rate=1.0, **{**SGD, 'clip_norm': norm.item() / 2})
    torch.testing.assert_close(half.step(0, [batch]).grad_norm, norm)
    for p, q, before in zip(free.parameters(), clipped.parameters(), start, strict=True):
        torch.testing.assert_close((q - before) * 2, p - before, rtol=1e-3, atol=1e-5)


def test_memory_order_changes_nothing_but_rounding(make_network, make_sampler):
    batch = make_sampler().batch(0)
    totals = [
        trainer(make_network(), channels_last=last).step(0, [batch]).parts['total'].item()
        for last in (True, False)
    ]
    assert totals[0] == pytest.approx(totals[1], rel=1e-5)
    assert not to_network_input(batch.images).is_contiguous()
    assert to_network_input(batch.images, channels_last=False).is_contiguous()


def test_half_precision_is_for_gpus(make_network):
    with pytest.raises(InvalidOptionError, match=r'got fp16 on cpu.*use bf16 or fp32'):
        trainer(make_network(), precision='fp16')


def test_an_overflow_under_a_loss_scale_leaves_the_weights_and_ends_at_a_small_scale(
    make_network, make_sampler
):
    """The scaler of fp16, on the CPU and in fp32: the second gradient overflows."""
    network = make_network()
    one = trainer(network, learning_rate=0.01)
    one.scaler = torch.amp.GradScaler('cpu', init_scale=4.0)
    batch = make_sampler().batch(0)
    plain = make_network()
    trainer(plain, learning_rate=0.01).step(0, [batch])
    one.step(0, [batch])
    for p, q in zip(network.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(p, q, rtol=1e-4, atol=1e-6)
    before = [p.detach().clone() for p in network.parameters()]
    network.wh[2].bias.register_hook(lambda gradient: gradient * float('inf'))
    one.step(1, [batch])
    assert one.scaler.get_scale() == 2.0
    assert all(map(torch.equal, network.parameters(), before))
    with pytest.raises(TrainingStoppedError, match='do not fit into fp16 at any scale'):
        for step in range(2, 12):
            one.step(step, [batch])


def test_random_numbers_are_a_function_of_step_and_shard(make_network, make_sampler):
    """Dropout needs no state in the checkpoint."""
    batch = make_sampler().batch(0)

    def drawn(step):
        network = make_network()
        network.hm.insert(1, nn.Dropout(0.5))
        return trainer(network).step(step, [batch]).parts['heatmap'].item()

    assert drawn(3) == drawn(3)
    assert drawn(3) != drawn(4)
