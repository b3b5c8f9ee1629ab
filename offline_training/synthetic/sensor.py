"""What the camera does to the light: lens blur, vignette, exposure drift, noise."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from offline_training.synthetic.light import Light

Image = NDArray[np.uint8]


class Sensor:
    """The same frames in the same order give the same bytes."""

    def __init__(self, light: Light, size_wh: tuple[int, int], rng: np.random.Generator) -> None:
        width, height = size_wh
        self._rng, self._drift = rng, light.exposure_drift
        self._phase, self._rate = rng.uniform(0, 6.28), rng.uniform(0.3, 1.2)
        self._blur_px = float(rng.uniform(0.35, 0.75)) * max(1.0, width / 960)
        self._contrast = float(rng.uniform(0.95, 1.12))
        self._tint = rng.uniform(0.97, 1.03, 3)
        grain = rng.normal(0.0, light.noise, (height + 64, width + 64, 3))
        grain = np.asarray(cv2.GaussianBlur(grain.astype(np.float32), (0, 0), 0.6) * 1.6)
        self._more = np.clip(grain, 0, 255).astype(np.uint8)
        self._less = np.clip(-grain, 0, 255).astype(np.uint8)
        y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]  # type: ignore[misc]
        falloff = 1.0 - rng.uniform(0.05, 0.22) * (x**2 + y**2) / 2
        self._vignette = cv2.merge([(falloff * 255).astype(np.uint8)] * 3)

    def expose(self, image: Image, t_s: float) -> Image:
        """A new image as the sensor would give it."""
        height, width = image.shape[:2]
        soft = cv2.GaussianBlur(image, (0, 0), self._blur_px)
        soft = cv2.multiply(soft, self._vignette, scale=1 / 255)
        soft = cv2.LUT(soft, self._curve(t_s))
        dy, dx = (int(v) for v in self._rng.integers(0, 64, 2))
        window = np.s_[dy : dy + height, dx : dx + width]
        return cv2.subtract(cv2.add(soft, self._more[window]), self._less[window])

    def _curve(self, t_s: float) -> Image:
        """Exposure, contrast and white balance as a table (256, 1, 3)."""
        exposure = 1.0 + self._drift * np.sin(self._rate * t_s + self._phase)
        value = np.arange(256.0)[:, None] * exposure * self._tint
        value = (value - 118.0) * self._contrast + 118.0
        return np.clip(value, 0, 255).astype(np.uint8)[:, None, :]
