"""The lifecycle node `mot_tracker`: images of one or more cameras in, tracks out.

python -m mot_compress_ros.ros.node --ros-args -p model:=models/student -p autostart:=true
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
import gc
import signal
import sys
import threading

from diagnostic_msgs.msg import DiagnosticArray
from lifecycle_msgs.srv import ChangeState
import rclpy
from rclpy.clock import Clock
from rclpy.clock_type import ClockType
from rclpy.exceptions import ParameterException
from rclpy.executors import SingleThreadedExecutor
from rclpy.impl.implementation_singleton import rclpy_implementation
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.parameter import Parameter
from rclpy.signals import SignalHandlerOptions

from mot_compress_ros.errors import InvalidOptionError
from mot_compress_ros.ros import qos
from mot_compress_ros.ros.diagnostics import Diagnostics
from mot_compress_ros.ros.parameter_declaration import (
    declare_parameters,
    guard_parameters,
    read_parameters,
)
from mot_compress_ros.ros.parameters import build_options
from mot_compress_ros.ros.session import TrackingSession

_SPIN_S = 0.2  # how late a signal may be noticed
SUCCESS, FAILURE, ERROR = (
    TransitionCallbackReturn.SUCCESS,
    TransitionCallbackReturn.FAILURE,
    TransitionCallbackReturn.ERROR,
)


class MotTrackerNode(LifecycleNode):
    """Tracks the objects in the images of each camera.

    Args:
        parameter_overrides: parameters given by code, before those of the command line.

    Raises:
        rclpy.exceptions.ParameterException, InvalidOptionError: a parameter given at start is
            unknown or not legal.
    """

    def __init__(self, *, parameter_overrides: Sequence[Parameter] = ()) -> None:
        super().__init__('mot_tracker', parameter_overrides=list(parameter_overrides))
        self._session: TrackingSession | None = None
        declare_parameters(self)
        guard_parameters(self, is_configured=lambda: self._session is not None)
        self.add_post_set_parameters_callback(self._apply_live_parameters)
        self._refuse_illegal_transitions()
        self._diagnostics = Diagnostics(self)
        self._publisher = self.create_publisher(DiagnosticArray, '/diagnostics', qos.diagnostics())
        # Steady time: a paused bag or a silent /clock must not silence the diagnostics.
        self._timer = self.create_timer(
            self.get_parameter('diagnostics_period_s').value,
            self._publish_diagnostics,
            clock=Clock(clock_type=ClockType.STEADY_TIME),
        )

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Load and warm up the models, then join the graph with the gate closed."""
        try:
            options, config = build_options(read_parameters(self))
            self._session = TrackingSession(self, options, config)
        except Exception as error:  # rclpy would swallow it; a runtime can raise anything here
            self._diagnostics.last_error = ' '.join(str(error).split()) or type(error).__name__
            self.get_logger().error(f'cannot be configured: {self._diagnostics.last_error}')
            self._publish_diagnostics()
            return FAILURE
        self._diagnostics.last_error = ''
        self._timer.timer_period_ns = int(options.diagnostics_period_s * 1e9)
        student, teacher = self._session.pipeline.student, self._session.pipeline.teacher
        beside = f'; teacher {teacher.name} in {teacher.worker_name}' if teacher else ''
        unused = self._session.unused_teacher and f'; {self._session.unused_teacher}'
        self.get_logger().info(
            f'configured: {student.name} on {student.backend.name}{beside}{unused}'
        )
        if student.backend_reason:
            self.get_logger().info(f'backend: {student.backend_reason}')
        return super().on_configure(state)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Open the gate."""
        result = super().on_activate(state)
        self._loaded().start()
        return result

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Close the gate; the models stay loaded."""
        if not self._loaded().stop():
            self.get_logger().error('the runtime does not come back from a frame')
            return ERROR
        return super().on_deactivate(state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Free the models and leave the graph."""
        result = super().on_cleanup(state)
        self._release()
        return result

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop work and free everything."""
        self._release()
        return super().on_shutdown(state)

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Free everything, so that the node can be configured again."""
        self._release()
        return super().on_error(state)

    def autostart(self) -> None:
        """Configure and activate, where the parameter asks for it."""
        if self.get_parameter('autostart').value and self.trigger_configure() == SUCCESS:
            self.trigger_activate()

    def stop(self) -> None:
        """Stop work before the process ends."""
        self._release()

    def _loaded(self) -> TrackingSession:
        if self._session is None:
            raise RuntimeError('the lifecycle let a transition through without a configuration')
        return self._session

    def _release(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            session.close()
        del session
        gc.collect()  # a network is full of reference cycles; its memory is wanted back now

    def _apply_live_parameters(self, changes: list[Parameter]) -> None:
        if self._session is not None and any('.' in change.name for change in changes):
            self._session.reconfigure(build_options(read_parameters(self))[1])

    def _publish_diagnostics(self) -> None:
        stale_after_s = self.get_parameter('stale_after_s').value
        self._publisher.publish(
            self._diagnostics.report(self._session, stale_after_s=stale_after_s)
        )

    def _refuse_illegal_transitions(self) -> None:
        """Answer a transition that the state does not have; rclpy's own way is to end the node."""
        change_state: Callable[
            [ChangeState.Request, ChangeState.Response], ChangeState.Response
        ] = self._service_change_state.callback

        def guarded(
            request: ChangeState.Request, response: ChangeState.Response
        ) -> ChangeState.Response:
            try:
                return change_state(request, response)
            except rclpy_implementation.RCLError:
                wanted = request.transition.label or request.transition.id
                self.get_logger().error(f'transition {wanted} is not legal in this state')
                response.success = False
                return response

        self._service_change_state.callback = guarded


def spin(node: MotTrackerNode, stopping: threading.Event) -> None:
    """Serve the node until `stopping`; a callback that fails is reported and does not end it."""
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    while not stopping.is_set() and node.context.ok():
        try:
            executor.spin_once(timeout_sec=_SPIN_S)
        except Exception as error:
            node.get_logger().error(f'a callback failed: {type(error).__name__}: {error}')
    executor.shutdown()


def _stop(stopping: threading.Event) -> None:
    stopping.set()
    # Loading a model takes seconds; who asks twice does not want to wait for it.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the node until SIGINT or SIGTERM; 0 after a clean end, 2 for parameters not legal."""
    # With rclpy's handlers the context is gone before the node can stop its worker.
    rclpy.init(
        args=None if arguments is None else list(arguments),
        signal_handler_options=SignalHandlerOptions.NO,
    )
    stopping = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: _stop(stopping))
    try:
        node = MotTrackerNode()
    except (ParameterException, InvalidOptionError) as error:
        rclpy.logging.get_logger('mot_tracker').fatal(str(error))
        rclpy.shutdown()
        return 2
    node.autostart()
    spin(node, stopping)
    node.stop()
    node.destroy_node()
    rclpy.shutdown()
    return 0


if __name__ == '__main__':
    sys.exit(main())
