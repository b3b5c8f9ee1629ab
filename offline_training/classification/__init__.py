"""The three-class image problem: two small networks, what they learn from, and how.

Patil et al., "Real Time Object Tracking For Autonomous Driving Using Model Compression",
section 4.1.1. Nothing in here runs in the vehicle.
"""
