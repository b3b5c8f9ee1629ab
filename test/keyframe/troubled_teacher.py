"""A scripted detector that gets into trouble when a frame says so. Children import it too."""

import ctypes
from enum import IntEnum
from functools import partial
import os
import signal
import threading

import numpy as np

from mot_compress_ros.datatypes import Frame
from mot_compress_ros.inference import Detector, load_bundle
from mot_compress_ros.inference.backends import BackendOptions
from mot_compress_ros.inference.backends.scripted import ScriptedBackend
from mot_compress_ros.inference.decode import DecodeConfig

SIZE_WH = (320, 192)
RELEASE = threading.Event()  # lets a detector of this process that hangs come back


class Trouble(IntEnum):
    """What the first pixel of an image asks for."""

    NONE = 0
    RAISE = 1
    NO_MEMORY = 2
    HANG = 3
    HANG_IN_C = 4  # Python's lock is held
    EXIT = 5
    CRASH = 6


class TroubledBackend(ScriptedBackend):
    def __init__(self, bundle, options):
        super().__init__(bundle, options)
        self.freed = 0
        self.threads = set()

    def run(self, images_rgb, prior=None):
        self.threads.add(threading.current_thread())
        match int(images_rgb[0, 0, 0, 0]):  # the grey of a warm-up and of padding is none of them
            case Trouble.RAISE:
                raise RuntimeError('a layer is missing')
            case Trouble.NO_MEMORY:
                np.empty(1 << 58)
            case Trouble.HANG:
                RELEASE.wait(60)
            case Trouble.HANG_IN_C:
                ctypes.PyDLL(None).sleep(60)
            case Trouble.EXIT:
                os._exit(7)
            case Trouble.CRASH:
                signal.raise_signal(signal.SIGABRT)
        return super().run(images_rgb, prior)

    def work_apart(self, *, urgent):
        self.apart = not urgent

    def free_memory(self):
        self.freed += 1


def troubled(path):
    bundle = load_bundle(path)
    backend = TroubledBackend(bundle, BackendOptions())
    return Detector(bundle.manifest, backend, DecodeConfig())


def loader(path):
    """What loads it, here or in a child."""
    return partial(troubled, str(path))


def frame(stamp_ns=0, trouble=Trouble.NONE, *, size_wh=SIZE_WH, camera='front', left=40):
    """A red rectangle of 60 x 80 pixels at (`left`, 50), on black."""
    image = np.zeros((*size_wh[::-1], 3), np.uint8)
    image[50:130, left : left + 60] = (255, 0, 0)
    image[0, 0] = trouble
    return Frame(image=image, stamp_ns=stamp_ns, camera=camera, color_order='rgb')
