"""Play a bag with --clock beside the lifecycle node `mot_tracker`, and end when the bag ends.

    ros2 launch mot_compress_ros replay.launch.py bag:=/path/to/bag image_topic:=/kitti/image

For every frame of a bag, without drops and the same each time, use
`python -m mot_compress_ros.replay` instead.
"""

import os

from launch import LaunchContext, LaunchDescription
from launch.actions import (
    DeclareLaunchArgument,
    ExecuteProcess,
    IncludeLaunchDescription,
    OpaqueFunction,
    Shutdown,
)
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import PathJoinSubstitution
from launch_ros.substitutions import FindPackageShare

from mot_compress_ros.ros.launch_arguments import (
    play_command,
    play_environment,
    replay_transport,
)

PACKAGE = 'mot_compress_ros'
PASSED_ON = (
    'model',
    'teacher',
    'backend',
    'precision',
    'keyframe_mode',
    'keyframe_interval',
    'params_file',
    'namespace',
    'log_level',
)


def generate_launch_description() -> LaunchDescription:
    share = FindPackageShare(PACKAGE)
    return LaunchDescription(
        [
            DeclareLaunchArgument('bag', description='Bag to play: a rosbag2 folder or file.'),
            DeclareLaunchArgument(
                'loop',
                default_value='false',
                choices=['true', 'false'],
                description='Play the bag again and again; the tracker starts anew each time.',
            ),
            DeclareLaunchArgument(
                'rate',
                default_value='1.0',
                description='Speed of the playback, as a multiple of the recording.',
            ),
            DeclareLaunchArgument(
                'delay',
                default_value='10.0',
                description='Seconds until playback starts, for the node to load its model.',
            ),
            DeclareLaunchArgument(
                'image_topic',
                default_value='',
                description='Recorded image topic to play as camera/image_raw; empty: as is.',
            ),
            DeclareLaunchArgument(
                'image_transport',
                default_value='',
                choices=['', 'raw', 'compressed'],
                description='raw or compressed; empty: by the name of image_topic.',
            ),
            DeclareLaunchArgument(
                'model',
                default_value='',
                description='Model bundle that tracks: a folder, or a name in models/.',
            ),
            DeclareLaunchArgument(
                'teacher',
                default_value='',
                description='Model bundle that runs on keyframes: a folder, or a name in models/.',
            ),
            DeclareLaunchArgument(
                'backend',
                default_value='',
                choices=[
                    '',
                    'torch_eager',
                    'torch_cuda_graph',
                    'openvino',
                    'onnx_runtime',
                    'auto',
                ],
                description='Runtime of the networks; parameter runtime.backend in docs/node.md.',
            ),
            DeclareLaunchArgument(
                'precision',
                default_value='',
                choices=['', 'auto', 'fp32', 'bf16', 'fp16', 'int8'],
                description='Number format of the networks; parameter runtime.precision.',
            ),
            DeclareLaunchArgument(
                'keyframe_mode',
                default_value='',
                choices=['', 'fixed', 'adaptive', 'deadline', 'async', 'off'],
                description='When the teacher runs; parameter keyframe.mode in docs/node.md.',
            ),
            DeclareLaunchArgument(
                'keyframe_interval',
                default_value='',
                description='Frames from one teacher frame to the next, a whole number.',
            ),
            DeclareLaunchArgument(
                'params_file',
                default_value=PathJoinSubstitution([share, 'config', 'vehicle', 'tracker.yaml']),
                description='ROS parameter file of the node.',
            ),
            DeclareLaunchArgument(
                'namespace',
                default_value='',
                description='Namespace of the node and of its topics.',
            ),
            DeclareLaunchArgument(
                'log_level',
                default_value='info',
                choices=['debug', 'info', 'warn', 'error', 'fatal'],
                description='Least severe log messages shown.',
            ),
            OpaqueFunction(function=_start_tracker),
            OpaqueFunction(function=_play_bag),
        ]
    )


def _start_tracker(context: LaunchContext) -> list[IncludeLaunchDescription]:
    arguments = context.launch_configurations
    path = PathJoinSubstitution([FindPackageShare(PACKAGE), 'launch', 'tracker.launch.py'])
    passed_on = {name: arguments[name] for name in PASSED_ON}
    passed_on['image_transport'] = replay_transport(arguments)
    passed_on.update(use_sim_time='true', autostart='true')
    source = PythonLaunchDescriptionSource(path)
    return [IncludeLaunchDescription(source, launch_arguments=passed_on.items())]


def _play_bag(context: LaunchContext) -> list[ExecuteProcess]:
    profile = PathJoinSubstitution(
        [FindPackageShare(PACKAGE), 'config', 'vehicle', 'fastdds_large_images.xml']
    ).perform(context)
    return [
        ExecuteProcess(
            cmd=play_command(context.launch_configurations),
            additional_env=play_environment(os.environ, profile=profile),
            output='screen',
            on_exit=Shutdown(reason='bag ended'),
        )
    ]
