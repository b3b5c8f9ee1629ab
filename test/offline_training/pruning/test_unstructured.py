"""Zeros: which weights, that they stay, and that nothing becomes smaller by them."""

import copy

import pytest
import torch
from torch import nn
from torch.nn.utils import prune
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from mot_compress_ros.errors import InvalidOptionError
from offline_training.pruning.schedules import (
    gradual,
    make_sparsifier,
    one_shot,
    repeated,
    rounds,
    SCHEDULES,
    Sparsifier,
    SparsityConfig,
    UnstructuredConfig,
)
from offline_training.pruning.unstructured import (
    bytes_of,
    make_permanent,
    Masks,
    prune_l1_global,
    smallest,
    sparsity_report,
)
from offline_training.recipes import experiment_digest, RecipeConfig


@pytest.fixture
def model():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.Conv2d(8, 4, 3, padding=1),
        nn.Flatten(),
        nn.Linear(64, 2),
    )


def convolutions(model):
    return {name: m for name, m in model.named_modules() if isinstance(m, nn.Conv2d)}


def zeros(model):
    return {name: m.weight.detach() == 0 for name, m in convolutions(model).items()}


def step(model, optimizer, seed):
    generator = torch.Generator().manual_seed(seed)
    optimizer.zero_grad()
    model(torch.randn(4, 3, 4, 4, generator=generator)).square().sum().backward()
    optimizer.step()


OPTIMIZERS = {
    'sgd': lambda p: torch.optim.SGD(p, lr=0.01, momentum=0.9, weight_decay=0.1),
    'adamw': lambda p: torch.optim.AdamW(p, lr=0.01, weight_decay=0.1),
    'adam': lambda p: torch.optim.Adam(p, lr=0.01, weight_decay=0.1),
}


def test_the_smallest_of_all_layers_together_go():
    model = nn.Sequential(nn.Conv2d(1, 2, 2, bias=False), nn.Conv2d(2, 1, 1, bias=False))
    model[0].weight.data = torch.tensor([1.0, -0.1, 3.0, 4.0, 0.2, -6.0, 7.0, 8.0]).view(
        2, 1, 2, 2
    )
    model[1].weight.data = torch.tensor([0.15, -5.0]).view(1, 2, 1, 1)
    report = prune_l1_global(model, amount=0.3)  # 3 of 10: 0.1, 0.15 and 0.2
    assert model[0].weight.flatten().tolist() == [1, 0, 3, 4, 0, -6, 7, 8]
    assert model[1].weight.flatten().tolist() == [0, -5]
    assert [(layer.name, layer.weights, layer.zeros) for layer in report.layers] == [
        ('0', 8, 2),
        ('1', 2, 1),
    ]
    assert (report.zeros, report.weights, report.sparsity) == (3, 10, 0.3)
    assert report.layers[1].sparsity == 0.5


@pytest.mark.parametrize('amounts', [(0.1,), (0.2,), (0.4,), (0.45,), (0.6,), (0.2, 0.25, 0.5)])
def test_the_same_weights_go_as_by_torch(model, amounts):
    reference = copy.deepcopy(model)
    for amount in amounts:
        prune_l1_global(model, amount=amount)
        prune.global_unstructured(
            [(m, 'weight') for m in convolutions(reference).values()],
            pruning_method=prune.L1Unstructured,
            amount=amount,
        )
    for name, gone in zeros(model).items():
        assert torch.equal(gone, reference.get_submodule(name).weight == 0)


def test_the_kinds_of_layers_are_the_callers(model):
    report = prune_l1_global(model, amount=0.5, module_types=(nn.Conv2d, nn.Linear))
    assert [layer.name for layer in report.layers] == ['0', '3', '5']
    assert report.sparsity == 0.5
    assert not (model[1].weight == 0).any()


@pytest.mark.parametrize('amount', [-0.1, 1.1, float('nan')])
def test_an_amount_is_a_share(model, amount):
    with pytest.raises(InvalidOptionError, match='0 to 1'):
        prune_l1_global(model, amount=amount)


@pytest.mark.parametrize('make', OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_masks_hold_in_any_loop_in_copies_and_in_averages(model, make):
    prune_l1_global(model, amount=0.4)
    gone = zeros(model)
    average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.9), use_buffers=True)
    optimizer = make(model.parameters())
    before = model[0].weight.detach().clone()
    for seed in range(5):
        step(model, optimizer, seed)
        average.update_parameters(model)
    assert not torch.equal(model[0].weight, before)
    for network in (model, average.module, copy.deepcopy(model)):
        make_permanent(network)
        assert all(torch.equal(gone[name], zero) for name, zero in zeros(network).items())
        assert set(network.state_dict()) == {
            *(f'{n}.{p}' for n in (0, 3, 5) for p in ('weight', 'bias')),
            *(f'1.{p}' for p in ('weight', 'bias', 'running_mean', 'running_var')),
            '1.num_batches_tracked',
        }


def test_made_permanent_it_computes_the_same(model):
    prune_l1_global(model, amount=0.6)
    images = torch.rand(2, 3, 4, 4)
    before = model.eval()(images)
    make_permanent(model)
    assert torch.equal(model(images), before)
    assert sparsity_report(model).sparsity == pytest.approx(0.6, abs=1e-3)
    assert type(model[0]) is nn.Conv2d


@pytest.mark.parametrize('make', OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_masks_set_after_steps_hold_against_momentum_of_before(model, make):
    average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.9), use_buffers=True)
    optimizer = make(model.parameters())
    step(model, optimizer, 0)  # there is momentum, and the average has weights
    average.update_parameters(model)
    sparsifier = Sparsifier(model, SparsityConfig(schedule='one_shot', amount=0.5))
    for seed in range(1, 4):
        sparsifier.before_step(seed / 4)
        gone = zeros(model)
        step(model, optimizer, seed)
        average.update_parameters(model)
        moved = zeros(model)
        sparsifier.after_step(model, average.module)
        assert any(not torch.equal(gone[n], moved[n]) for n in gone)  # else it shows nothing
        for network in (model, average.module):
            found = zeros(network)
            assert all(torch.equal(gone[name], found[name]) for name in gone)
            assert sparsity_report(network).sparsity == 0.5


def test_a_training_that_goes_on_finds_its_masks(model):
    masks = Masks(model)
    assert masks.sparsity == 0
    masks.raise_to(0.3)
    masks.apply(model)
    again = Masks(copy.deepcopy(model))
    assert again.sparsity == masks.sparsity == pytest.approx(0.3, abs=2e-3)
    again.raise_to(0.1)  # never less
    assert again.sparsity == masks.sparsity
    zero = zeros(model)
    masks.raise_to(0.7)
    masks.apply(model)
    assert all((zeros(model)[name] >= gone).all() for name, gone in zero.items())


def test_a_layer_that_begins_at_zero_is_not_taken_for_pruned(model):
    model[3].weight.data.zero_()
    sparsifier = Sparsifier(model, SparsityConfig(schedule='hold'))
    sparsifier.before_step(0.0)
    model[3].weight.data.fill_(1)
    sparsifier.after_step(model)
    assert (model[3].weight == 1).all()


def test_schedules_by_their_formulas():
    # 20 times over three quarters: the first at once, the last at the start of the 20th part.
    assert gradual(0.4, 0.0) == pytest.approx(0.4 * (1 - 0.95**3))
    assert gradual(0.4, 0.375) == pytest.approx(0.4 * (1 - (1 - 11 / 20) ** 3))
    assert repeated(0.4, 0.375) == pytest.approx(1 - 0.6 ** (11 / 20))
    each = 1 - 0.6 ** (1 / 20)  # of what is left, every time
    assert repeated(0.4, 0.0) == pytest.approx(each)
    assert one_shot(0.4, 0.0) == 0.4
    assert rounds(0.6, 3) == pytest.approx([0.2, 0.4, 0.6])
    for schedule in (gradual, repeated):
        values = [schedule(0.4, k / 100) for k in range(101)]
        assert values == sorted(values)
        assert values[75] == values[-1] == pytest.approx(0.4)
    assert SCHEDULES['hold'](0.4, 0.5) is None


def test_without_a_schedule_there_is_nothing_to_do(model):
    assert make_sparsifier(model, SparsityConfig()) is None


def test_a_schedule_during_training_has_one_training():
    with pytest.raises(InvalidOptionError, match='expected 1'):
        UnstructuredConfig(schedule='gradual', steps=2)


def test_the_file_stays_as_large_and_only_its_archive_shrinks(model):
    before = bytes_of(model.state_dict())
    prune_l1_global(model, amount=0.6)
    make_permanent(model)
    after = bytes_of(model.state_dict())
    assert after.stored == before.stored
    assert after.zipped < 0.8 * before.zipped


def test_a_recipe_without_zeros_is_the_experiment_that_it_was():
    digests = [
        experiment_digest(RecipeConfig(sparsity=sparsity), [])
        for sparsity in (
            SparsityConfig(),
            SparsityConfig(amount=0.5),
            SparsityConfig(schedule='hold'),
            SparsityConfig(schedule='gradual'),
        )
    ]
    assert digests[0] == digests[1] and len(set(digests)) == 3


def test_masked_weights_are_counted_first():
    weights = {'a': torch.tensor([5.0, 1.0, 3.0]), 'b': torch.tensor([-2.0, 4.0])}
    masked = {'a': torch.tensor([False, True, True]), 'b': torch.tensor([True, True])}
    kept = smallest(weights, count=2, masked=masked)
    assert kept['a'].tolist() == [False, False, True] and kept['b'].tolist() == [True, True]
