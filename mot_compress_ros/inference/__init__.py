"""From a model bundle to a detector."""

from __future__ import annotations

from mot_compress_ros.inference.backends import BackendOptions, BACKENDS, DEVICES, SCRIPTED
from mot_compress_ros.inference.checkpoint import Bundle, load_bundle, ModelManifest
from mot_compress_ros.inference.decode import DecodeConfig
from mot_compress_ros.inference.detector import Detector, Observation
from mot_compress_ros.inference.pairing import check_pair
from mot_compress_ros.inference.prior import AGE_S, Prior, TRUST_PLANES, UNCERTAINTY_CELLS

__all__ = [
    'AGE_S',
    'TRUST_PLANES',
    'UNCERTAINTY_CELLS',
    'BackendOptions',
    'Bundle',
    'DecodeConfig',
    'Detector',
    'ModelManifest',
    'Observation',
    'Prior',
    'build_detector',
    'check_pair',
    'device_of',
    'load_bundle',
]


def build_detector(
    bundle: Bundle,
    *,
    options: BackendOptions | None = None,
    decode: DecodeConfig | None = None,
) -> Detector:
    """A detector of the bundle's network on the runtime that `options` names, not yet warm.

    Raises:
        BundleError: the weights do not fit the architecture.
        InvalidOptionError: the device is not there.
    """
    options = options or BackendOptions()
    factory = BACKENDS[_runtime(bundle, options)]()
    return Detector(bundle.manifest, factory(bundle, options), decode or DecodeConfig())


def device_of(bundle: Bundle, options: BackendOptions) -> str:
    """'cpu' or 'cuda': where `build_detector` would put the network.

    Raises:
        InvalidOptionError: the device is not there.
    """
    return DEVICES[_runtime(bundle, options)]()(options.device)


def _runtime(bundle: Bundle, options: BackendOptions) -> str:
    is_scripted = bundle.manifest.architecture.get('name') == SCRIPTED
    return SCRIPTED if is_scripted else options.backend
