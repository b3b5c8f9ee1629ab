"""A seeded 3D road scene: frames with boxes, ids, velocities and metric positions as truth."""

from offline_training.synthetic.box_scene import BoxScene, generate_boxes
from offline_training.synthetic.config import LIGHTS, SceneConfig
from offline_training.synthetic.ground_truth import FrameTruth, TrueObject
from offline_training.synthetic.inertial import InertialSamples
from offline_training.synthetic.scene import generate, Scene, SyntheticFrame
from offline_training.synthetic.world import CameraRig, World

__all__ = [
    'LIGHTS',
    'BoxScene',
    'CameraRig',
    'FrameTruth',
    'InertialSamples',
    'Scene',
    'SceneConfig',
    'SyntheticFrame',
    'TrueObject',
    'World',
    'generate',
    'generate_boxes',
]
