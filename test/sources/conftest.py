"""Both storages of rosbag2."""

import pytest
from rosbags.rosbag2 import StoragePlugin


@pytest.fixture(params=[StoragePlugin.SQLITE3, StoragePlugin.MCAP], ids=['sqlite3', 'mcap'])
def storage(request):
    return request.param
