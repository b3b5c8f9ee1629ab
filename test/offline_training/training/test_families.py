"""Kinds of networks in recipes: what goes together, and what a run is named by."""

from dataclasses import replace
from pathlib import Path

import pytest

from mot_compress_ros.errors import InvalidOptionError
from mot_compress_ros.inference.checkpoint import ModelManifest, save_bundle
from mot_compress_ros.networks.cstrack import Cstrack, CstrackConfig
from mot_compress_ros.options import from_mapping, to_mapping
from offline_training.distillation.teacher import open_teacher
from offline_training.losses.config import NEWER
from offline_training.recipes import experiment_digest, read_recipe, RecipeConfig
from offline_training.training.families import FAMILIES, family_of

OFF = {f'loss.{n}': 0.0 for n in ('heatmap', 'wh_l1', 'wh_giou', 'offset', 'reid')}
RECIPES = Path('config/training')


@pytest.mark.parametrize(('name', 'width', 'depth'), [('l', 1.0, 1.0), ('s', 0.5, 0.33)])
def test_the_recipes_are_those_of_the_two_networks(name, width, depth):
    config = read_recipe(RECIPES / f'cstrack_{name}.yaml').config
    assert config.network == CstrackConfig(width=width, depth=depth)
    weights = {n: getattr(config.loss, n) for n in NEWER if getattr(config.loss, n)}
    assert weights == {'anchor_box': 0.05, 'anchor_objectness': 1.0, 'anchor_identity': 0.02}
    assert config.class_names == ('pedestrian',)


@pytest.mark.parametrize('name', ['loss.heatmap', 'loss.ifm', 'loss.crosskd', 'loss.identity_ce'])
def test_parts_of_heads_are_refused_for_anchors(name):
    with pytest.raises(InvalidOptionError, match=f'{name}: of networks with a heat map'):
        from_mapping(RecipeConfig, {'family': 'cstrack', **OFF, name: 1.0})


def test_parts_of_anchors_are_refused_for_heads():
    with pytest.raises(InvalidOptionError, match=r'loss\.anchor_box: of networks with anchors'):
        from_mapping(RecipeConfig, {'loss.anchor_box': 1.0})


def test_more_classes_than_there_are_are_refused():
    with pytest.raises(InvalidOptionError, match=r'cstrack\.n_class: got 9'):
        from_mapping(RecipeConfig, {'family': 'cstrack', **OFF, 'cstrack.n_class': 9})


def test_what_is_not_used_is_no_other_experiment():
    def digest(**settings):
        values = {name.replace('__', '.'): value for name, value in settings.items()}
        return experiment_digest(from_mapping(RecipeConfig, values), [])

    assert digest() == digest(cstrack__width=0.5) == digest(loss__distillation__key_share=0.2)
    taught = digest(loss__key_features=1.0)
    assert len({digest(), taught, digest(loss__key_features=2.0)}) == 3
    assert taught != digest(loss__key_features=1.0, loss__distillation__key_share=0.2)
    dense = {'family': 'cstrack', **{name.replace('.', '__'): 0.0 for name in OFF}}
    assert digest(**dense) != digest(**dense, cstrack__width=0.5)


def test_a_bundle_to_start_from_is_of_the_same_architecture(tmp_path):
    config = CstrackConfig(width=0.0625, depth=0.33, embedding_dim=6, id_channels=8)
    network = Cstrack(config)
    manifest = ModelManifest(
        name='dense',
        architecture=to_mapping(config),
        class_names=('pedestrian',),
        input_size_wh=(64, 64),
        embedding_dim=6,
    )
    tensors = {key: value.numpy() for key, value in network.state_dict().items()}
    bundle = save_bundle(tmp_path / 'dense', manifest, tensors)
    family = family_of(bundle)
    assert family is FAMILIES['cstrack']
    started = family.started(family.open_start(str(bundle.path), config), config)
    for key, value in network.state_dict().items():
        assert value.equal(started.state_dict()[key])
    with pytest.raises(InvalidOptionError, match='start from a bundle of the same architecture'):
        family.open_start(str(bundle.path), replace(config, embedding_dim=7))
    recipe = from_mapping(
        RecipeConfig, {'loss.response_consistency': 1.0, 'architecture.n_class': 1}
    )
    with pytest.raises(InvalidOptionError, match='one of the two networks has anchors'):
        open_teacher(str(bundle.path), recipe, output=None)
