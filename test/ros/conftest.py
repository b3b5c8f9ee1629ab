"""Live tests talk in a ROS domain of their own, on this machine only."""

import os

import pytest

from mot_compress_ros.inference.backends.scripted import write_scripted_bundle


@pytest.fixture(scope='session', autouse=True)
def _private_domain():
    """Two runs at the same time must not hear each other; domains above 101 meet other ports."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('ROS_DOMAIN_ID', str(1 + os.getpid() % 100))
        patch.setenv('ROS_AUTOMATIC_DISCOVERY_RANGE', 'LOCALHOST')
        yield


@pytest.fixture(scope='session')
def bundle(tmp_path_factory):
    """A model that sees rectangles in pure red, green and blue as classes 0, 1 and 2."""
    return str(write_scripted_bundle(tmp_path_factory.mktemp('models') / 'scripted'))
