"""The classes of the product, which every road data set is mapped to."""

CLASS_NAMES = ('pedestrian', 'cyclist', 'vehicle')
PEDESTRIAN, CYCLIST, VEHICLE = ALL_CLASSES = (0, 1, 2)
