"""A preset gives every option of the tracker its value, and what is named beside it wins."""

from __future__ import annotations

from dataclasses import fields

import pytest

from mot_compress_ros.errors import InvalidOptionError
from mot_compress_ros.options import describe, from_mapping, to_mapping
from mot_compress_ros.pipeline import PipelineConfig
from mot_compress_ros.tracking import PRESETS, Tracker, TrackerConfig
from mot_compress_ros.tracking.config import PRESET_NAMES
from mot_compress_ros.tracking.rounds import Round

every_preset = pytest.mark.parametrize('name', PRESETS)


def test_the_names_are_those_of_the_folder() -> None:
    assert tuple(PRESETS) == PRESET_NAMES
    assert PRESET_NAMES == ('vehicle', 'sort', 'fairmot', 'byte', 'ocsort', 'botsort')


@every_preset
def test_every_preset_is_called_by_its_own_name(name) -> None:
    assert PRESETS[name].DEFAULTS.preset == name
    assert TrackerConfig.of(name) == PRESETS[name].DEFAULTS


def test_the_default_is_the_vehicles() -> None:
    assert TrackerConfig() == PRESETS['vehicle'].DEFAULTS
    assert from_mapping(TrackerConfig, {}) == TrackerConfig()
    assert PipelineConfig().tracker == TrackerConfig()


def test_no_two_presets_are_the_same() -> None:
    without_name = [
        tuple(v for k, v in to_mapping(PRESETS[name].DEFAULTS).items() if k != 'preset')
        for name in PRESETS
    ]
    assert len(set(without_name)) == len(PRESETS)


@every_preset
def test_what_is_named_beside_a_preset_wins(name) -> None:
    config = TrackerConfig.of(name, lost_buffer_s=2.5, confirm_hits=7)
    assert (config.preset, config.lost_buffer_s, config.confirm_hits) == (name, 2.5, 7)
    for f in fields(TrackerConfig):
        if f.name not in ('lost_buffer_s', 'confirm_hits'):
            assert getattr(config, f.name) == getattr(PRESETS[name].DEFAULTS, f.name)
    same = from_mapping(TrackerConfig, {'confirm_hits': 7, 'preset': name, 'lost_buffer_s': 2.5})
    assert same == config


def test_a_value_that_is_named_may_be_the_default_of_another_preset() -> None:
    vehicle = PRESETS['vehicle'].DEFAULTS
    changed = {
        k: v
        for k, v in to_mapping(vehicle).items()
        if v != to_mapping(PRESETS['ocsort'].DEFAULTS)[k] and k != 'preset'
    }
    config = TrackerConfig.of('ocsort', **changed)
    assert changed
    assert to_mapping(config) == {**to_mapping(vehicle), 'preset': 'ocsort'}


@every_preset
def test_options_go_to_a_mapping_and_back(name) -> None:
    config = TrackerConfig.of(name, min_area_px2=33.0)
    assert from_mapping(TrackerConfig, to_mapping(config)) == config


@every_preset
def test_the_pipeline_knows_presets_by_dotted_names(name) -> None:
    config = from_mapping(PipelineConfig, {'tracker.preset': name, 'tracker.lost_buffer_s': 3.0})
    assert config.tracker == TrackerConfig.of(name, lost_buffer_s=3.0)
    assert config.keyframe == PipelineConfig().keyframe
    plain = from_mapping(PipelineConfig, {'tracker.lost_buffer_s': 3.0})
    assert plain.tracker == TrackerConfig.of('vehicle', lost_buffer_s=3.0)
    assert from_mapping(PipelineConfig, to_mapping(config)) == config


@every_preset
def test_described_defaults_are_those_of_the_preset(name) -> None:
    base = TrackerConfig.of(name)
    described = {info.name: info.default for info in describe(TrackerConfig, base=base)}
    assert described == to_mapping(base)


@pytest.mark.parametrize(
    ('values', 'reason'),
    [
        ({'preset': 'deepsort'}, "preset: got 'deepsort', legal: vehicle, sort"),
        ({'preset': ''}, 'legal: vehicle'),
        ({'preset': None}, 'preset: expected str, got None'),
        ({'preset': 3}, 'preset: expected str, got 3'),
        ({'preset': 'byte', 'lost_buffer': 1.0}, 'unknown option lost_buffer'),
        ({'preset': 'byte', 'lost_buffer_s': -1.0}, 'lost_buffer_s: got -1.0, legal range 0.0'),
        ({'preset': 'byte', 'min_score': float('nan')}, 'min_score: got nan'),
        ({'preset': 'byte', 'confirm_hits': 2.5}, 'confirm_hits: expected int'),
        ({'preset': 'byte', 'sticky': 1}, 'sticky: expected bool'),
        ({'preset': 'byte', 'motion_model': 'xyz'}, 'legal: xyah, xysr, xywh'),
    ],
)
def test_what_is_not_legal_is_refused_with_the_reason(values, reason) -> None:
    with pytest.raises(InvalidOptionError, match=reason):
        from_mapping(TrackerConfig, values)
    with pytest.raises(InvalidOptionError, match=rf'(tracker\.)?{reason}|tracker\.'):
        from_mapping(PipelineConfig, {f'tracker.{k}': v for k, v in values.items()})


def test_an_unknown_preset_is_refused_by_name() -> None:
    with pytest.raises(InvalidOptionError, match='deepsort'):
        TrackerConfig.of('deepsort')
    with pytest.raises(InvalidOptionError, match="'deepsort'"):
        Tracker(TrackerConfig(preset='deepsort'))  # built by hand, checked where it is used


@every_preset
def test_a_tracker_keeps_its_options_and_has_rounds(name) -> None:
    config = TrackerConfig.of(name, lost_buffer_s=2.0)
    assert Tracker(config).config == config
    rounds = PRESETS[name].rounds(config)
    assert rounds
    assert all(isinstance(one, Round) for one in rounds)


def test_a_config_made_by_hand_keeps_its_own_values() -> None:
    """A preset's values are for what is not named; in an object everything is."""
    config = TrackerConfig(preset='sort', confirm_hits=9)
    assert Tracker(config).config == config
    assert Tracker(config).config.motion_model == TrackerConfig().motion_model
