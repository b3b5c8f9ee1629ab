"""Quantization: numbers of 8 bits in the place of floats, and 2:4 sparsity beside it.

A method is a module with

    quantize(job: work.Job) -> work.Outcome

`METHODS` names them. They share the samples that calibrate (`calibration`), the scores that must
not fall (`scores`) and the graph that they start from (`float_graph`). `sensitivity` says which
layers cost the score.
"""

METHODS = {
    'ptq': 'offline_training.quantization.by_ptq',
    'qat': 'offline_training.quantization.by_qat',
    'ranges': 'offline_training.quantization.by_ranges',
    'eager': 'offline_training.quantization.by_eager',
    'sparse24': 'offline_training.quantization.by_sparse24',
}
