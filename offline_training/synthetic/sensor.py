"""What the camera does to the light: lens blur, vignette, exposure drift, noise."""

from __future__ import annotations

import cv2
import numpy as np

from offline_training.synthetic.light import Light
from offline_training.synthetic.pixels import added, blurred, gained, Image, multiplied, resized

TARGET_LEVEL = 116.0  # mean grey of the road half that the automatic exposure aims at


class Sensor:
    """The same frames in the same order give the same bytes."""

    def __init__(self, light: Light, size_wh: tuple[int, int], rng: np.random.Generator) -> None:
        width, height = size_wh
        self._rng, self._drift = rng, light.exposure_drift
        self._phase, self._rate = rng.uniform(0, 6.28), rng.uniform(0.3, 1.2)
        self._blur_px = float(rng.uniform(0.35, 0.75)) * max(1.0, width / 960)
        self._longest = 1.1 if light.name == 'night' else 1.3
        self._bloom = light.lamps > 0.05
        self._contrast = float(rng.uniform(0.95, 1.12))
        self._tint = rng.uniform(0.97, 1.03, 3)
        grain = rng.normal(0.0, light.noise, (height + 64, width + 64, 3))
        grain = np.asarray(cv2.GaussianBlur(grain.astype(np.float32), (0, 0), 0.6) * 1.6)
        self._more = np.clip(grain, 0, 255).astype(np.uint8)
        self._less = np.clip(-grain, 0, 255).astype(np.uint8)
        y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
        falloff = 1.0 - rng.uniform(0.05, 0.22) * (x**2 + y**2) / 2
        self._vignette = np.dstack([(falloff * 255).astype(np.uint8)] * 3)

    def expose(self, image: Image, t_s: float) -> Image:
        """A new image as the sensor would give it."""
        height, width = image.shape[:2]
        soft = blurred(image, self._blur_px)
        if self._bloom:
            soft = _bloomed(soft)
        soft = multiplied(soft, self._vignette)
        soft = np.asarray(cv2.LUT(soft, self._curve(t_s, soft)), np.uint8)
        dy, dx = (int(v) for v in self._rng.integers(0, 64, 2))
        window = np.s_[dy : dy + height, dx : dx + width]
        brighter = added(soft, self._more[window])
        return np.asarray(cv2.subtract(brighter, self._less[window]), np.uint8)

    def _curve(self, t_s: float, image: Image) -> Image:
        """Exposure, contrast and white balance as a table (256, 1, 3)."""
        exposure = 1.0 + self._drift * np.sin(self._rate * t_s + self._phase)
        # Automatic exposure meets a dark scene half-way; at night it has nothing left to give.
        level = float(image[image.shape[0] // 3 :: 8, ::8].mean())
        exposure *= np.clip((TARGET_LEVEL / max(level, 1.0)) ** 0.55, 0.9, self._longest)
        value = np.arange(256.0)[:, None] * exposure * self._tint
        value = (value - 118.0) * self._contrast + 118.0
        return np.clip(value, 0, 255).astype(np.uint8)[:, None, :]


def _bloomed(image: Image) -> Image:
    """Light spills from what is bright, as in a real lens at night."""
    height, width = image.shape[0], image.shape[1]
    small = resized(image, (width // 4, height // 4), cv2.INTER_AREA)
    bright = np.where(small > 150, small - 150, 0).astype(np.uint8)
    halo = gained(blurred(bright, width / 240), (1.6, 1.6, 1.6))
    return added(image, resized(halo, (width, height)))
