"""Signals and OpenVINO in one process: a runtime that is let go must not end it at Ctrl-C."""

from pathlib import Path
import subprocess
import sys

import numpy as np
import openvino as ov
from openvino import opset13 as operators
import pytest

from mot_compress_ros.inference.backends.openvino_core import shared_core, signal_stack_kept

ROOT = Path(__file__).parents[2]
LET_GO = """
import gc, os, signal, sys, threading
from conftest import stack_of_signals as stack
from test_openvino_core import compiled
seen = []
signal.signal(signal.SIGINT, lambda *_: seen.append(1))
before = stack()
held = [compiled({core})]
def let_go():
    held.clear()
    gc.collect()
thread = threading.Thread(target=let_go)
thread.start()
thread.join()
for _ in range(10):
    os.kill(os.getpid(), signal.SIGINT)
print('handled', len(seen), stack() == before)
"""


def compiled(core):
    """Something that the CPU runs."""
    x = operators.parameter([1, 4], np.float32)
    return core.compile_model(ov.Model([operators.relu(x)], [x], 'small'), 'CPU')


def in_a_process(core, *options):
    words = [sys.executable, *options, '-c', LET_GO.format(core=core)]
    path = {
        'PYTHONPATH': ':'.join(map(str, (ROOT, ROOT / 'test', Path(__file__).parent))),
        'PATH': '/usr/bin:/bin',
    }
    return subprocess.run(words, check=False, env=path, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize('options', [(), ('-X', 'faulthandler')])
def test_a_signal_is_handled_after_another_thread_has_let_a_graph_go(options):
    core = '__import__("test_openvino_core").shared_core()'
    ended = in_a_process(core, *options)
    assert (ended.returncode, ended.stdout.strip()) == (0, 'handled 10 True'), ended.stderr


def test_there_is_one_core():
    assert shared_core() is shared_core()


def test_tools_with_cores_of_their_own_leave_the_signal_stack_alone(signal_stack):
    before = signal_stack()
    with signal_stack_kept():
        graph = compiled(ov.Core())
    assert signal_stack() == before
    del graph
    assert signal_stack() == before
