"""What is changed in an exported graph before OpenVINO compiles it.

Nothing of it changes what the graph says: the conversion of the image, the order in memory in
which its maps come out, and the part that nothing but the prior feeds, where nothing is told.
"""

from __future__ import annotations

import numpy as np
import openvino as ov
from openvino import opset13 as operators
from openvino.preprocess import PrePostProcessor

from mot_compress_ros.inference.backends.openvino_core import shared_core

# An operand of this value leaves the other one as it is, to the bit.
_NEUTRAL = {'Multiply': 1.0, 'Add': 0.0}


def prior_of(model: ov.Model) -> ov.op.Parameter | None:
    """The input `prior` (B, planes, h, w) of a graph, None where it has none."""
    for parameter in model.get_parameters():
        if 'prior' in parameter.output(0).get_names():
            return parameter
    return None


def say_nothing(model: ov.Model) -> None:
    """Take the input `prior` out of a graph, as if it were given zeros.

    What is computed of the prior alone is computed here, once, and becomes constants; where such a
    constant is the neutral operand of a product or a sum, the product or sum goes too. A gated
    fusion leaves nothing behind.

    Args:
        model: has the input; changed in place.
    """
    prior = prior_of(model)
    assert prior is not None, 'the graph takes no prior'
    for port, value in _values_of_nothing(model, prior):
        constant = operators.constant(value).output(0)
        for target in port.get_target_inputs():
            consumer = target.get_node()
            neutral = _NEUTRAL.get(consumer.get_type_name())
            if neutral is not None and (value == neutral).all():
                other = consumer.input_value(1 - target.get_index())
                if other.get_partial_shape() == consumer.get_output_partial_shape(0):
                    consumer.output(0).replace(other)
                    continue
            target.replace_source_output(constant)
    model.remove_parameter(prior)
    model.validate_nodes_and_infer_types()


def _values_of_nothing(
    model: ov.Model, prior: ov.op.Parameter
) -> list[tuple[ov.Output, np.ndarray]]:
    """The outputs between what depends on the prior alone and the rest, for a prior of zeros."""
    fixed = {n.get_friendly_name() for n in model.get_ops() if n.get_type_name() == 'Constant'}
    alone = {prior.get_friendly_name()}
    for node in model.get_ordered_ops():
        sources = {value.get_node().get_friendly_name() for value in node.input_values()}
        if sources & alone and sources <= alone | fixed:
            alone.add(node.get_friendly_name())
        elif sources and sources <= fixed:  # such as the conversion of packed weights
            fixed.add(node.get_friendly_name())
    nodes = [n for n in model.get_ordered_ops() if n.get_friendly_name() in alone]
    ports = [
        port
        for node in nodes
        for port in node.outputs()
        if any(t.get_node().get_friendly_name() not in alone for t in port.get_target_inputs())
    ]
    zeros = np.zeros(list(prior.get_output_shape(0)), np.float32)
    part = ov.Model(ports, [prior], 'prior')
    compiled = shared_core().compile_model(part, 'CPU', {'INFERENCE_PRECISION_HINT': 'f32'})
    found = compiled([zeros])
    return [(port, np.array(found[index])) for index, port in enumerate(ports)]


def with_image_conversion(model: ov.Model, *, values_together: bool) -> ov.Model:
    """The same graph for images (B, H, W, 3) uint8.

    Args:
        model: takes images (B, 3, H, W) float32 in 0..1.
        values_together: outputs are (B, h, w, n), the order in which int8 convolutions leave them,
            and not (B, n, h, w).
    """
    steps = PrePostProcessor(model)
    images = steps.input('images')
    images.tensor().set_element_type(ov.Type.u8).set_layout(ov.Layout('NHWC'))
    images.model().set_layout(ov.Layout('NCHW'))
    images.preprocess().convert_element_type(ov.Type.f32).scale(255.0)
    for index in range(len(model.outputs) if values_together else 0):
        steps.output(index).model().set_layout(ov.Layout('NCHW'))
        steps.output(index).tensor().set_layout(ov.Layout('NHWC'))
    return steps.build()
