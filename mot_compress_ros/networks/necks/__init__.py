"""Necks: modules that bring a backbone's coarse maps up to stride 4.

A backbone names the one it is published with; a neck knows channels and strides, no backbone.
"""
