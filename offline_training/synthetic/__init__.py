"""A seeded 3D road scene: frames with boxes, ids, velocities and metric positions as truth."""

from offline_training.synthetic.config import LIGHTS, SceneConfig
from offline_training.synthetic.ground_truth import FrameTruth, TrueObject
from offline_training.synthetic.scene import generate, Scene, SyntheticFrame

__all__ = [
    'LIGHTS',
    'FrameTruth',
    'Scene',
    'SceneConfig',
    'SyntheticFrame',
    'TrueObject',
    'generate',
]
