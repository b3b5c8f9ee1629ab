"""From a model bundle to a detector."""

from __future__ import annotations

from mot_compress_ros.inference.backends import (
    BackendOptions,
    BACKENDS,
    DEVICES,
    OWN_DEVICES,
    OWN_RUNTIMES,
    SCRIPTED,
)
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
    own = OWN_RUNTIMES.get(_architecture(bundle))
    factory = (own or BACKENDS[_runtime(bundle, options)])()
    return Detector(bundle.manifest, factory(bundle, options), decode or DecodeConfig())


def device_of(bundle: Bundle, options: BackendOptions) -> str:
    """'cpu' or 'cuda': where `build_detector` would put the network.

    Raises:
        InvalidOptionError: the device is not there.
    """
    own = OWN_DEVICES.get(_architecture(bundle))
    return (own or DEVICES[_runtime(bundle, options)])()(options.device)


def _runtime(bundle: Bundle, options: BackendOptions) -> str:
    return SCRIPTED if _architecture(bundle) == SCRIPTED else options.backend


def _architecture(bundle: Bundle) -> str:
    return str(bundle.manifest.architecture.get('name'))
