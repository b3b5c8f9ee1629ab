"""The edge: the only package that knows ROS.

The node, from the outside in: `node` (lifecycle), `session` (what it owns while configured: the
pipeline and its worker thread), `camera_port` (topics of one camera), `motion_port` (odometry, IMU
and `camera_info`), `transforms` (tf), `mailbox` (newest frame), `conversions` (messages to data
types and back), `parameters` and `parameter_declaration`, `qos`, `monitor`, `motion_monitor` and
`diagnostics` (what is going on, and what to do about it), `throttled_log`.

The other end of its topics: `process` runs the node as a process, `client` plays images to it and
drives its lifecycle, `demo` records what it publishes.
"""
