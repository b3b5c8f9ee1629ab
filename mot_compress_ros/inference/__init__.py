"""From a model bundle to a detector."""

from __future__ import annotations

from mot_compress_ros.inference.backends import Backend, BackendOptions
from mot_compress_ros.inference.checkpoint import Bundle, load_bundle
from mot_compress_ros.inference.decode import DecodeConfig
from mot_compress_ros.inference.detector import Detector

__all__ = [
    'BackendOptions',
    'Bundle',
    'DecodeConfig',
    'Detector',
    'build_detector',
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
    backend = _open_backend(bundle, options or BackendOptions())
    return Detector(bundle.manifest, backend, decode or DecodeConfig())


def _open_backend(bundle: Bundle, options: BackendOptions) -> Backend:
    # Imported here: each runtime is a heavy import, and only the chosen one need be installed.
    if bundle.manifest.architecture.get('name') == 'scripted':
        from mot_compress_ros.inference.backends.scripted import ScriptedBackend

        return ScriptedBackend(bundle, options)
    from mot_compress_ros.inference.backends.torch_eager import TorchEagerBackend

    return {'torch_eager': TorchEagerBackend}[options.backend](bundle, options)
