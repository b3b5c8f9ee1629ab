"""Offline half of mot_compress_ros: data sets, training, compression and evaluation."""
