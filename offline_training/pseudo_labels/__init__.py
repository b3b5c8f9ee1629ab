"""Labels for unlabelled road clips: a COCO detector, offline tracking, MOTChallenge files.

The result is a training aid, never a ground truth to be scored against. What the detector is not
sure of is written as a region to ignore, so that training is told "unknown", not "nothing".
"""
