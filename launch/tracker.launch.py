"""Start the lifecycle node `mot_tracker`.

    ros2 launch mot_compress_ros tracker.launch.py model:=/path/to/bundle use_sim_time:=true

An argument left empty leaves the value to the parameter file.
"""

from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import LifecycleNode
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import FindPackageShare
import yaml

PACKAGE = 'mot_compress_ros'


def generate_launch_description() -> LaunchDescription:
    return LaunchDescription(
        [
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
                'cameras',
                default_value='',
                description='Camera names as a YAML list, such as "[front, rear]".',
            ),
            DeclareLaunchArgument(
                'params_file',
                default_value=PathJoinSubstitution(
                    [FindPackageShare(PACKAGE), 'config', 'vehicle', 'tracker.yaml']
                ),
                description='ROS parameter file of the node.',
            ),
            DeclareLaunchArgument(
                'use_sim_time',
                default_value='false',
                choices=['true', 'false'],
                description='Take the time from /clock, as when a bag is played with --clock.',
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
            DeclareLaunchArgument(
                'autostart',
                default_value='true',
                choices=['true', 'false'],
                description='Configure and activate at start; false leaves it to a manager.',
            ),
            OpaqueFunction(function=_start_node),
        ]
    )


def _start_node(context: LaunchContext) -> list[LifecycleNode]:
    def value(name: str) -> str:
        return LaunchConfiguration(name).perform(context)

    given: dict[str, object] = {
        'use_sim_time': value('use_sim_time') == 'true',
        'autostart': value('autostart') == 'true',
    }
    for name in ('model', 'teacher'):
        if value(name):
            # Declared a string, or launch would read a bundle named 2026 as a number.
            given[name] = ParameterValue(value(name), value_type=str)
    if value('cameras'):
        given['cameras'] = [str(name) for name in yaml.safe_load(value('cameras'))]
    return [
        LifecycleNode(
            package=PACKAGE,
            executable='mot_tracker',
            name='mot_tracker',
            namespace=value('namespace'),
            parameters=[value('params_file'), given],
            ros_arguments=['--log-level', value('log_level')],
            output='screen',
            emulate_tty=True,
        )
    ]
