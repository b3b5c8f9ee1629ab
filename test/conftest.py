"""A painted clip whose truth is known, a bundle that sees it, a tiny network, and a bag writer."""

import ctypes

import cv2
import numpy as np
import pytest
from rosbags.rosbag2 import Writer
from rosbags.typesys import get_typestore, Stores

from mot_compress_ros.inference.backends.scripted import CLASS_NAMES, write_scripted_bundle
from mot_compress_ros.inference.checkpoint import ModelManifest, save_bundle
from mot_compress_ros.options import to_mapping

CLIP_FRAMES = 12
CLIP_SIZE_WH = (320, 192)
IMAGE, COMPRESSED = 'sensor_msgs/msg/Image', 'sensor_msgs/msg/CompressedImage'
START_NS = 1_700_000_000_000_000_000
STEP_NS = 100_000_000
RED, GREEN, BLUE = (0, 0, 255), (0, 255, 0), (255, 0, 0)  # BGR: pedestrian, cyclist, vehicle


class SignalStack(ctypes.Structure):
    """`stack_t` of Linux."""

    _fields_ = (('pointer', ctypes.c_void_p), ('flags', ctypes.c_int), ('size', ctypes.c_size_t))


def stack_of_signals():
    """Address and size of the stack that signal handlers of this thread run on; 0 for its own."""
    found = SignalStack()
    assert ctypes.CDLL(None).sigaltstack(None, ctypes.byref(found)) == 0
    return found.pointer, found.size


@pytest.fixture
def signal_stack():
    return stack_of_signals


def painted_image(index):
    """A vehicle that drives right, a pedestrian that walks left, a cyclist from frame 4 on."""
    image = np.full((*CLIP_SIZE_WH[::-1], 3), 100, np.uint8)
    cv2.rectangle(image, (10 + 8 * index, 120), (57 + 8 * index, 151), BLUE, cv2.FILLED)
    cv2.rectangle(image, (280 - 4 * index, 40), (295 - 4 * index, 87), RED, cv2.FILLED)
    if index >= 4:
        cv2.rectangle(image, (130, 20 + 2 * index), (153, 59 + 2 * index), GREEN, cv2.FILLED)
    return image


@pytest.fixture(scope='session')
def painted_images():
    return [painted_image(index) for index in range(CLIP_FRAMES)]


@pytest.fixture(scope='session')
def painted_sequence(tmp_path_factory, painted_images):
    """A MOTChallenge folder at 10 Hz, its images lossless."""
    folder = tmp_path_factory.mktemp('clip') / 'painted'
    (folder / 'img1').mkdir(parents=True)
    (folder / 'seqinfo.ini').write_text(
        f'[Sequence]\nname=painted\nimDir=img1\nframeRate=10\nseqLength={CLIP_FRAMES}\n'
        f'imWidth={CLIP_SIZE_WH[0]}\nimHeight={CLIP_SIZE_WH[1]}\nimExt=.png\n'
    )
    for index, image in enumerate(painted_images):
        cv2.imwrite(str(folder / 'img1' / f'{index + 1:06d}.png'), image)
    return folder


@pytest.fixture(scope='session')
def scripted_bundle(tmp_path_factory):
    return write_scripted_bundle(tmp_path_factory.mktemp('models') / 'scripted')


@pytest.fixture(scope='session')
def make_tiny_network():
    """Makes a seeded network of 16 x 24 cells and some peaks, in eval mode.

    Its BatchNorm statistics are drawn too, so that folding them matters.
    """
    torch = pytest.importorskip('torch')
    from mot_compress_ros.networks import ArchitectureConfig, JointDetector

    def make(seed=0):
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            network = JointDetector(ArchitectureConfig(width=0.0625, embedding_dim=8)).eval()
            for module in network.modules():
                if isinstance(module, torch.nn.BatchNorm2d):
                    module.running_mean.normal_(0, 0.1)
                    module.running_var.uniform_(0.5, 2)
                    module.weight.data.uniform_(0.5, 2)
                    module.bias.data.normal_(0, 0.1)
            for head, spread in (('hm', 10), ('wh', 4), ('reg', 4), ('id', 1)):
                getattr(network, head)[-1].weight.data.normal_(0, spread)
            network.wh[-1].bias.data.fill_(3)  # boxes of some 24 pixels
        return network

    return make


@pytest.fixture(scope='session')
def write_tiny_bundle(make_tiny_network):
    """Writes a bundle of such a network into a folder, and returns the folder."""

    def write(folder, *, seed=0):
        network = make_tiny_network(seed)
        manifest = ModelManifest(
            name=folder.name,
            architecture=to_mapping(network.config),
            class_names=CLASS_NAMES,
            input_size_wh=(96, 64),
            embedding_dim=network.config.embedding_dim,
        )
        save_bundle(folder, manifest, {k: v.numpy() for k, v in network.state_dict().items()})
        return folder

    return write


class BagWriter:
    """Collects image messages; `write` makes the bag of them."""

    def __init__(self):
        self.store = get_typestore(Stores.ROS2_JAZZY)
        self.messages = []

    def _header(self, stamp_ns):
        sec, nanosec = divmod(stamp_ns, 1_000_000_000)
        types = self.store.types
        return types['std_msgs/msg/Header'](
            stamp=types['builtin_interfaces/msg/Time'](sec=sec, nanosec=nanosec),
            frame_id='front_optical',
        )

    def image(self, image, *, topic='/front/image_raw', stamp_ns=None, **changes):
        index = len(self.messages)
        fields = {
            'header': self._header(START_NS + index * STEP_NS if stamp_ns is None else stamp_ns),
            'height': image.shape[0],
            'width': image.shape[1],
            'encoding': 'bgr8',
            'is_bigendian': 0,
            'step': 3 * image.shape[1],
            'data': np.ascontiguousarray(image).reshape(-1),
        }
        message = self.store.types[IMAGE](**{**fields, **changes})
        self.raw(topic, IMAGE, bytes(self.store.serialize_cdr(message, IMAGE)))

    def compressed(self, data, *, topic='/front/image_raw/compressed'):
        stamp_ns = START_NS + len(self.messages) * STEP_NS
        message = self.store.types[COMPRESSED](
            header=self._header(stamp_ns), format='png', data=np.frombuffer(data, np.uint8)
        )
        self.raw(topic, COMPRESSED, bytes(self.store.serialize_cdr(message, COMPRESSED)))

    def raw(self, topic, msgtype, data):
        self.messages.append((topic, msgtype, data))

    def write(self, path, storage):
        connections = {}
        with Writer(path, version=9, storage_plugin=storage) as writer:
            for index, (topic, msgtype, data) in enumerate(self.messages):
                if topic not in connections:
                    connections[topic] = writer.add_connection(
                        topic, msgtype, typestore=self.store
                    )
                # Recorded a little after the stamp, as a real recorder does.
                recorded_ns = START_NS + index * STEP_NS + 5_000_000
                writer.write(connections[topic], recorded_ns, data)
        return path


@pytest.fixture
def bag_writer():
    return BagWriter()
