"""Writes every output of a run, frame by frame."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from mot_compress_ros.drawing import TrackPainter
from mot_compress_ros.errors import InputError
from mot_compress_ros.frame_source import SourceLog
from mot_compress_ros.recording.annotated_video import AnnotatedVideoSink
from mot_compress_ros.recording.mcap import McapSink
from mot_compress_ros.recording.mot_text import MotTextSink
from mot_compress_ros.recording.report import render_report
from mot_compress_ros.recording.step import Ending, Image, RunInfo, Step
from mot_compress_ros.recording.summary import summarize, Summary, write_summary
from mot_compress_ros.recording.timeline import Timeline


class Sink(Protocol):
    """A file that grows with the run."""

    def write(self, step: Step, annotated: Image) -> None:
        """Append one frame; `annotated` is its picture with the tracks drawn."""

    def close(self) -> None:
        """Make the file complete."""


SinkFactory = Callable[[Path, RunInfo], Sink]

# Files that grow with the run. A new one is one new module and one line here.
SINKS: Mapping[str, SinkFactory] = {
    'tracks.txt': MotTextSink,
    'annotated.mp4': AnnotatedVideoSink,
    'tracks.mcap': McapSink,
}
REPORT = 'report.html'
SUMMARY = 'summary.json'
OUTPUTS = (*SINKS, REPORT, SUMMARY)


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    """An error of the disk names the file."""
    try:
        yield
    except OSError as error:
        raise InputError(f'{path}: cannot be written ({error.strerror or error})') from error


class Recorder:
    """Feeds the sinks; leaving its context closes them all, whatever happened.

    Args:
        folder: where the files go; made where it is missing. Files of an earlier run that have
            the same names are replaced.
        info: what is known before the first frame.
        skip: names of outputs that are not wanted.

    Raises:
        InputError: the folder cannot be made or written.
    """

    def __init__(self, folder: Path, info: RunInfo, *, skip: tuple[str, ...] = ()) -> None:
        self.folder = folder
        self.timeline = Timeline(info.class_names)
        self._info = info
        self._painter = TrackPainter(info.class_names)
        self._source_log = SourceLog()
        self._sinks: dict[str, Sink] = {}
        try:
            with _writing(folder):
                folder.mkdir(parents=True, exist_ok=True)
                for name in OUTPUTS:
                    (folder / name).unlink(missing_ok=True)
                for name, factory in SINKS.items():
                    if name not in skip:
                        self._sinks[name] = factory(folder / name, info)
        except InputError:
            self.close()
            raise

    def __enter__(self) -> Recorder:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def add(self, step: Step) -> None:
        """Record one frame.

        Raises:
            InputError: a file cannot be written; the run should end, and `finish` tells of it.
        """
        step = self._with_source(step)
        annotated = self._painter.paint(
            step.image_bgr, step.tracks, caption=self._caption(step), source=step.source
        )
        self.timeline.add(step, annotated)
        for name, sink in self._sinks.items():
            with _writing(self.folder / name):
                sink.write(step, annotated)

    def finish(self, ending: Ending) -> Summary:
        """Close the growing files, write report and summary, and return the latter.

        Raises:
            InputError: a file cannot be written; the others are.
        """
        summary = summarize(self._info, self.timeline, ending)
        with ExitStack() as stack:  # in reverse; one that fails must not keep the others away
            stack.callback(self._write_report, summary)
            stack.callback(self._write_summary, summary)
            stack.callback(self.close)
        return summary

    def _write_summary(self, summary: Summary) -> None:
        with _writing(self.folder / SUMMARY):
            write_summary(self.folder / SUMMARY, summary)

    def _write_report(self, summary: Summary) -> None:
        with _writing(self.folder / REPORT):
            page = render_report(self._info, self.timeline, summary)
            part = self.folder / f'.{REPORT}.part'
            part.write_text(page, encoding='utf-8')
            part.replace(self.folder / REPORT)

    def written(self) -> list[Path]:
        """The files that are there now."""
        return [self.folder / name for name in OUTPUTS if (self.folder / name).is_file()]

    def close(self) -> None:
        """Close the growing files; a second call does nothing."""
        with ExitStack() as stack:  # one that fails must not keep the others open
            for name, sink in self._sinks.items():
                stack.enter_context(_writing(self.folder / name))
                stack.callback(sink.close)
            self._sinks = {}

    def _with_source(self, step: Step) -> Step:
        """The step as it is where there is no teacher, or nobody told which network saw it."""
        if self._info.teacher is None or step.tracks is None or not step.tracks.source:
            return step
        source = self._source_log.note(
            stamp_ns=step.frame.stamp_ns,
            network=step.tracks.source,
            teacher_age_s=step.teacher_age_s,
        )
        return replace(step, source=source)

    def _caption(self, step: Step) -> str:
        first_ns = self.timeline.moments[0].stamp_ns if self.timeline.moments else None
        since_ns = 0 if first_ns is None else step.frame.stamp_ns - first_ns
        parts = [step.frame.camera, f'frame {step.frame_number}', f't = {since_ns / 1e9:.2f} s']
        if step.tracks is not None:
            n = len(step.tracks)
            parts.append(f'{n} track{"" if n == 1 else "s"}')
        return '   '.join(filter(None, parts))
