import numpy as np
import pytest

from offline_training.synthetic.motion import straight, Trajectory, turning, wandering


def _trajectories() -> list[Trajectory]:
    rng = np.random.default_rng(1)
    swing = {'swing_m': 0.8, 'frequency_radps': 0.7, 'phase_rad': 0.3}
    return [
        Trajectory(points_m=straight((1.0, 2.0), 0.5), start_m=0.0, speed_mps=7.0, **swing),
        Trajectory(
            points_m=wandering((0.0, 0.0), 1.5, rng, amplitude_m=0.2),
            start_m=0.0,
            speed_mps=4.0,
            **swing,
        ),
        Trajectory(
            points_m=turning((0.0, 0.0), 0.0, 10.0, np.pi / 2, 6.0), start_m=0.0, speed_mps=5.0
        ),
    ]


@pytest.mark.parametrize('trajectory', _trajectories())
@pytest.mark.parametrize('t_s', [0.0, 0.9, 2.4, 6.0])
def test_velocity_is_the_derivative_of_position(trajectory: Trajectory, t_s: float):
    before, after = trajectory.pose(t_s - 0.01), trajectory.pose(t_s + 0.01)
    measured = ((after.x_m - before.x_m) / 0.02, (after.y_m - before.y_m) / 0.02)
    assert trajectory.pose(t_s).velocity_mps == pytest.approx(measured, abs=0.15)


def test_a_left_turn_ends_northward():
    trajectory = _trajectories()[2]
    assert trajectory.pose(0.5).heading_rad == pytest.approx(0.0, abs=0.05)
    assert trajectory.pose(8.0).heading_rad == pytest.approx(np.pi / 2, abs=0.05)


def test_a_path_goes_straight_on_beyond_both_ends():
    path = Trajectory(points_m=straight((0.0, 0.0), 0.0, 10.0), start_m=0.0, speed_mps=1.0)
    np.testing.assert_allclose(path.positions_m(np.array([-5.0, 30.0])), [[-5, 0], [30, 0]])
