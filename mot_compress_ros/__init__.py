"""Camera tracking for vehicles: a compressed one-shot network and a ROS 2 node.

Everything outside `mot_compress_ros.ros` runs without ROS.
"""

__version__ = '0.4.0'
