"""Options load from flat mappings, check themselves, and describe themselves."""

from dataclasses import dataclass, field

import pytest

from mot_compress_ros.errors import InvalidOptionError
from mot_compress_ros.options import describe, from_mapping, option, to_mapping
from mot_compress_ros.tracking import TrackerConfig


@dataclass(frozen=True, kw_only=True)
class Inner:
    rate_hz: float = option(30.0, 'How often.', minimum=1.0, maximum=100.0, unit='Hz')
    count: int = option(3, 'How many.', minimum=0, read_only=False)


@dataclass(frozen=True, kw_only=True)
class Outer:
    mode: str = option('fixed', 'Which way.', choices=['fixed', 'off'])
    loud: bool = option(False, 'Whether.')
    cameras: tuple[str, ...] = option(('camera',), 'Who.')
    stages: tuple[str, ...] = option((), 'Where.', choices=['a', 'b'])
    inner: Inner = field(default_factory=Inner)
    slow: Inner = field(default_factory=lambda: Inner(rate_hz=2.0))


def test_nothing_named_gives_every_default() -> None:
    assert from_mapping(Outer, {}) == Outer()


def test_the_defaults_of_a_group_may_differ_from_its_types() -> None:
    assert from_mapping(Outer, {'slow.count': 7}).slow == Inner(rate_hz=2.0, count=7)
    assert {i.name: i.default for i in describe(Outer)}['slow.rate_hz'] == 2.0


def test_dotted_names_reach_into_groups() -> None:
    config = from_mapping(Outer, {'mode': 'off', 'inner.rate_hz': 10.5, 'inner.count': 0})
    assert config == Outer(mode='off', inner=Inner(rate_hz=10.5, count=0))


def test_off_may_be_what_yaml_makes_of_it() -> None:
    assert from_mapping(Outer, {'mode': False}).mode == 'off'
    with pytest.raises(InvalidOptionError, match='mode: expected str'):
        from_mapping(Outer, {'mode': True})
    with pytest.raises(InvalidOptionError, match='cameras: expected tuple'):
        from_mapping(Outer, {'cameras': False})


def test_to_mapping_is_the_inverse() -> None:
    config = Outer(loud=True, cameras=('front', 'left'), slow=Inner(count=9))
    flat = to_mapping(config)
    assert flat['slow.count'] == 9
    assert list(flat) == [info.name for info in describe(Outer)]
    assert from_mapping(Outer, flat) == config


def test_a_whole_number_is_a_fine_float_and_a_list_a_fine_tuple() -> None:
    config = from_mapping(Outer, {'inner.rate_hz': 5, 'cameras': ['front'], 'stages': ['b']})
    assert isinstance(config.inner.rate_hz, float)
    assert config.cameras == ('front',)
    assert config.stages == ('b',)


@pytest.mark.parametrize(
    ('values', 'message'),
    [
        ({'inner.rate': 5}, r'unknown option inner\.rate; legal ones: .*inner\.rate_hz'),
        ({'inner': Inner()}, 'unknown option inner'),
        ({'inner.rate_hz': 0.5}, r'inner\.rate_hz: got 0\.5, legal range 1\.0 to 100\.0'),
        ({'inner.rate_hz': 100.1}, 'legal range'),
        ({'inner.rate_hz': float('nan')}, 'legal range'),
        ({'inner.rate_hz': '5'}, 'expected float'),
        ({'inner.rate_hz': True}, 'expected float'),
        ({'inner.count': 1.0}, 'expected int'),
        ({'inner.count': True}, 'expected int'),
        ({'inner.count': -1}, 'legal range'),
        ({'loud': 1}, 'expected bool'),
        ({'mode': 'adaptive'}, "got 'adaptive', legal: fixed, off"),
        ({'cameras': 'front'}, 'expected tuple'),
        ({'cameras': ['front', 3]}, 'expected strings'),
        ({'stages': ['a', 'c']}, 'legal: a, b'),
        ({'mode': None}, 'expected str'),
    ],
)
def test_a_bad_value_is_refused_by_name(values: dict, message: str) -> None:
    with pytest.raises(InvalidOptionError, match=message):
        from_mapping(Outer, values)


def test_describe_tells_all_there_is_to_know() -> None:
    by_name = {info.name: info for info in describe(Outer)}
    rate = by_name['inner.rate_hz']
    assert (rate.type, rate.default, rate.unit) == (float, 30.0, 'Hz')
    assert (rate.minimum, rate.maximum, rate.read_only) == (1.0, 100.0, True)
    assert not by_name['inner.count'].read_only
    assert by_name['mode'].choices == ('fixed', 'off')
    assert by_name['cameras'].type is tuple
    assert by_name['loud'].description == 'Whether.'


def test_the_trackers_options_are_within_their_own_limits_and_described() -> None:
    assert from_mapping(TrackerConfig, to_mapping(TrackerConfig())) == TrackerConfig()
    for info in describe(TrackerConfig):
        assert info.description
        if info.type in (int, float):
            assert info.minimum is not None
            assert info.maximum is not None
        if info.type is str:
            assert info.choices
