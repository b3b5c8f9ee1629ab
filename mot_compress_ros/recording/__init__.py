"""What a run leaves behind, one module per file.

`Recorder` takes a `Step` per frame and feeds every sink of `recorder.SINKS` (tracks.txt,
annotated.mp4, tracks.mcap); at the end it writes summary.json and report.html from the timeline
it kept. A sink is made with its path and the `RunInfo`, then gets `write(step, annotated)` for
every frame and `close()` once; after `close` its file is complete, also when the run was cut
short.
"""

from mot_compress_ros.recording.recorder import OUTPUTS, Recorder, SINKS
from mot_compress_ros.recording.step import Ending, ModelInfo, RecordedMessage, RunInfo, Step

__all__ = [
    'OUTPUTS',
    'SINKS',
    'Ending',
    'ModelInfo',
    'RecordedMessage',
    'Recorder',
    'RunInfo',
    'Step',
]
