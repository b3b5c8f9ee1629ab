"""What a student learns from a teacher: its heat map as a prior, its embeddings, its features.

`config` has the options, `prior` makes Φ for training with the vehicle's own code, `tutor` asks
the frozen teacher, `levels` reads features on the way through a network, `teacher` opens the
teacher's bundle and says in manifests who taught whom, `start` begins a student from a bundle that
lacks the fusion.
"""
