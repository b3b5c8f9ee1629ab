"""What a synthetic scene is made from: one frozen dataclass, the only source of its defaults."""

from __future__ import annotations

from dataclasses import dataclass

from mot_compress_ros.errors import InvalidOptionError
from offline_training.synthetic.ego_levels import LEVELS

LIGHTS = ('day', 'cloudy', 'dusk', 'night', 'fog')
# Along the avenue; standing at a crossing; slowing down towards one; at walking pace.
SCENARIOS = ('drive', 'wait', 'approach', 'walk')
SURROUNDINGS = ('city', 'suburb', 'open')
RANDOM = 'random'
DRIVING = 'drive'  # the scenario in which the car may take corners


@dataclass(frozen=True, kw_only=True)
class SceneConfig:
    """One scene; the same values give the same bytes.

    `light`, `scenario` and `surroundings` take one of their legal names or 'random', which the
    seed decides. Counts are inclusive ranges; an actor that finds no free place is left out.
    `density` multiplies them. `ego` names a level of ego_levels; `turns` (corners taken),
    `ego_yaw_deg_s` (yaw rate in them) and `ego_pitch_bounce_deg` (peak pitch of bumps) replace
    what the level would draw. A car that takes corners needs the scenario 'drive', which 'random'
    then is. `imu_hz` is the rate of the inertial truth.

    Raises:
        InvalidOptionError: a value out of its range.
    """

    size_wh: tuple[int, int] = (960, 540)
    fps: float = 15.0
    duration_s: float = 8.0
    seed: int = 0
    light: str = RANDOM
    scenario: str = RANDOM
    surroundings: str = RANDOM
    n_vehicles: tuple[int, int] = (10, 20)
    n_parked: tuple[int, int] = (4, 14)
    n_pedestrians: tuple[int, int] = (8, 22)
    n_cyclists: tuple[int, int] = (2, 6)
    min_height_px: float = 10.0
    min_visibility: float = 0.2
    max_range_m: float = 120.0
    density: float = 1.0
    ego: str = 'calm'
    turns: int | None = None
    ego_yaw_deg_s: float | None = None
    ego_pitch_bounce_deg: float | None = None
    imu_hz: float = 100.0

    def __post_init__(self) -> None:
        width, height = self.size_wh
        if not (64 <= width <= 4096 and 64 <= height <= 4096):
            raise InvalidOptionError(f'size_wh: got {self.size_wh}, legal 64 to 4096 each')
        if not 0.1 <= self.fps <= 240.0:
            raise InvalidOptionError(f'fps: got {self.fps}, legal 0.1 to 240')
        if not 0.0 < self.duration_s <= 600.0:
            raise InvalidOptionError(f'duration_s: got {self.duration_s}, legal above 0 to 600')
        _check_choice('light', self.light, LIGHTS)
        _check_choice('scenario', self.scenario, SCENARIOS)
        _check_choice('surroundings', self.surroundings, SURROUNDINGS)
        self._check_ego()
        for name in ('n_vehicles', 'n_parked', 'n_pedestrians', 'n_cyclists'):
            low, high = getattr(self, name)
            if not 0 <= low <= high <= 200:
                raise InvalidOptionError(
                    f'{name}: got {(low, high)}, legal 0 <= low <= high <= 200'
                )

    def _check_ego(self) -> None:
        if self.ego not in LEVELS:
            raise InvalidOptionError(f'ego: got {self.ego!r}, legal: {", ".join(LEVELS)}')
        for name, low, high in (
            ('density', 0.0, 10.0),
            ('turns', 0, 2),
            ('ego_yaw_deg_s', 5.0, 60.0),
            ('ego_pitch_bounce_deg', 0.0, 8.0),
            ('imu_hz', 10.0, 1000.0),
        ):
            value = getattr(self, name)
            if value is not None and not low <= value <= high:
                raise InvalidOptionError(f'{name}: got {value:g}, legal {low:g} to {high:g}')
        if self.may_turn and self.scenario not in (DRIVING, RANDOM):
            raise InvalidOptionError(
                f'scenario: got {self.scenario!r} with an ego that takes corners '
                f'(ego {self.ego!r}, turns {self.turns}), legal: {DRIVING!r}; or set turns to 0'
            )

    @property
    def may_turn(self) -> bool:
        """Whether the camera car takes corners."""
        turns = self.turns if self.turns is not None else LEVELS[self.ego].turns[1]
        return turns > 0

    @property
    def frame_count(self) -> int:
        """Frames in `duration_s`, at least one."""
        return max(1, round(self.duration_s * self.fps))


def _check_choice(name: str, value: str, legal: tuple[str, ...]) -> None:
    if value != RANDOM and value not in legal:
        raise InvalidOptionError(f'{name}: got {value!r}, legal: {", ".join((*legal, RANDOM))}')
