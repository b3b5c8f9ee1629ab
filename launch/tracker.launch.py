"""Start the lifecycle node `mot_tracker`.

    ros2 launch mot_compress_ros tracker.launch.py model:=/path/to/bundle use_sim_time:=true

An argument left empty leaves the value to the parameter file.
"""

from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch.substitutions import PathJoinSubstitution
from launch_ros.actions import LifecycleNode
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import FindPackageShare

from mot_compress_ros.ros.launch_arguments import node_parameters

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
                'cameras',
                default_value='',
                description='Camera name, or names as a YAML list, such as "[front, rear]".',
            ),
            DeclareLaunchArgument(
                'image_transport',
                default_value='',
                choices=['', 'raw', 'compressed'],
                description='Whether images come as they are or compressed.',
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
                default_value='',
                choices=['', 'true', 'false'],
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
                default_value='',
                choices=['', 'true', 'false'],
                description='Configure and activate at start; false leaves it to a manager.',
            ),
            OpaqueFunction(function=_start_node),
        ]
    )


def _start_node(context: LaunchContext) -> list[LifecycleNode]:
    arguments = context.launch_configurations
    given = {
        # Declared a string, or launch would read a bundle named 2026 as a number.
        name: ParameterValue(value, value_type=str) if isinstance(value, str) else value
        for name, value in node_parameters(arguments).items()
    }
    return [
        LifecycleNode(
            package=PACKAGE,
            executable='mot_tracker',
            name='mot_tracker',
            namespace=arguments['namespace'],
            parameters=[arguments['params_file'], given],
            ros_arguments=['--log-level', arguments['log_level']],
            output='screen',
            emulate_tty=True,
        )
    ]
