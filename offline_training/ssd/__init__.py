"""Single-shot detectors for table 3 of Patil et al.: VGG-16-SSD teaches MobileNetV2-SSDLite.

Liu et al., "SSD: Single Shot MultiBox Detector" (2016); Sandler et al., "MobileNetV2" (2018),
section 6.2; Chen et al., "Learning Efficient Object Detection Models with Knowledge Distillation"
(2017). Nothing in here runs in the vehicle.
"""
