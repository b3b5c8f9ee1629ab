"""Procedural pictures: noise, facades, trees, sky. Everything is drawn from a random generator."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from offline_training.synthetic.light import Light

Image = NDArray[np.uint8]
FACADE_PX_PER_M = 14
FACADE_SIZE_M = (16.0, 24.0)
WALLS = (
    (148, 164, 180), (120, 140, 168), (96, 112, 150), (176, 186, 194), (160, 160, 158),
    (110, 130, 140), (70, 84, 128), (190, 204, 210), (130, 150, 160), (140, 128, 116),
)  # fmt: skip


def noise(
    shape: tuple[int, int], rng: np.random.Generator, *, cells: int, wrap: bool = False
) -> NDArray[np.float32]:
    """Smooth noise, mean 0, standard deviation about 1: a random grid, enlarged."""
    rows, columns = max(2, shape[0] // cells), max(2, shape[1] // cells)
    grid = rng.standard_normal((rows, columns)).astype(np.float32)
    margin = 2 if wrap else 0
    grid = np.pad(grid, margin, mode='wrap')
    size = (shape[1] + 2 * margin * cells, shape[0] + 2 * margin * cells)
    large = np.asarray(cv2.resize(grid, size, interpolation=cv2.INTER_CUBIC), np.float32)
    cut = margin * cells
    return large[cut : cut + shape[0], cut : cut + shape[1]]


def facade(rng: np.random.Generator, *, lit_share: float, house: bool) -> tuple[Image, Image]:
    """A wall with rows of windows and a shop or door at street level; and its glow at night.

    Both (H, W, 3) BGR at FACADE_PX_PER_M; the glow is black but for lit windows.
    """
    ppm = FACADE_PX_PER_M
    width, height = (int(s * ppm) for s in FACADE_SIZE_M)
    wall = np.array(WALLS[int(rng.integers(len(WALLS)))], dtype=np.float32)
    wall *= rng.uniform(0.75, 1.15)
    picture = np.full((height, width, 3), wall, dtype=np.float32)
    picture += (noise((height, width), rng, cells=24) * 4)[..., None]
    if rng.random() < 0.5:
        _bricks(picture, rng)
    picture += rng.standard_normal((height, width, 1)).astype(np.float32) * 3
    image = np.clip(picture, 0, 255).astype(np.uint8)
    glow = np.zeros_like(image)
    _windows(image, glow, rng, lit_share=lit_share)
    if house:
        _front_door(image, rng)
    else:
        _shops(image, glow, rng, lit_share=lit_share)
    cv2.rectangle(image, (0, 0), (width, 6), (wall * 0.7).tolist(), -1)
    return image, glow


def _bricks(picture: NDArray[np.float32], rng: np.random.Generator) -> None:
    height = picture.shape[0]
    for row in range(0, height, 4):
        picture[row] -= 14
        shift = (row // 4 % 2) * 5
        picture[row : row + 4, shift::10] -= 8
    picture *= rng.uniform(0.85, 1.0)


def _windows(image: Image, glow: Image, rng: np.random.Generator, *, lit_share: float) -> None:
    ppm = FACADE_PX_PER_M
    height, width = image.shape[:2]
    storey, step = 3.2 * ppm, rng.uniform(1.9, 3.2) * ppm
    w, h = rng.uniform(0.45, 0.7) * step, rng.uniform(1.3, 2.0) * ppm
    frame = (220, 222, 224) if rng.random() < 0.6 else (60, 62, 66)
    y = height - storey * 2
    while y > 8:
        x = step * 0.3
        while x + w < width - 2:
            _window(image, glow, (x, y, w, h), frame, rng, lit=bool(rng.random() < lit_share))
            x += step
        if rng.random() < 0.3:
            ledge = int(y + h + 4)
            cv2.rectangle(image, (0, ledge), (width, ledge + 3), (170, 172, 174), -1)
        y -= storey


def _window(
    image: Image,
    glow: Image,
    box: tuple[float, float, float, float],
    frame: tuple[int, int, int],
    rng: np.random.Generator,
    *,
    lit: bool,
) -> None:
    x, y, w, h = (round(v) for v in box)
    cv2.rectangle(image, (x - 2, y - 2), (x + w + 2, y + h + 2), frame, -1)
    pane = rng.uniform(30, 80)
    for row in range(h):  # the sky is mirrored in the upper part
        shade = pane + 70 * (1 - row / h) ** 2
        cv2.line(image, (x, y + row), (x + w, y + row), (shade * 1.12, shade * 1.02, shade * 0.94))
    if rng.random() < 0.35:
        curtain = round(h * rng.uniform(0.2, 0.9))
        cv2.rectangle(image, (x, y), (x + w, y + curtain), (150, 158, 164), -1)
    cv2.line(image, (x + w // 2, y), (x + w // 2, y + h), frame, 1)
    cv2.rectangle(image, (x - 3, y + h + 2), (x + w + 3, y + h + 4), (150, 150, 150), -1)
    if lit:
        warm = rng.uniform(0.6, 1.0)
        cv2.rectangle(glow, (x, y), (x + w, y + h), (90 * warm, 170 * warm, 225 * warm), -1)


def _shops(image: Image, glow: Image, rng: np.random.Generator, *, lit_share: float) -> None:
    ppm = FACADE_PX_PER_M
    height, width = image.shape[:2]
    x = 4
    while x < width - 3 * ppm:
        w = int(rng.uniform(3.0, 5.5) * ppm)
        x1 = min(x + w, width - 4)
        top, base = height - int(2.7 * ppm), height - int(0.35 * ppm)
        sign = tuple(int(v) for v in rng.integers(30, 220, 3))
        cv2.rectangle(image, (x, top - 10), (x1, top), sign, -1)
        for k in range(x + 6, x1 - 8, 7):  # letters, unreadable as from afar
            cv2.rectangle(
                image, (k, top - 7), (k + int(rng.integers(2, 5)), top - 3), (235, 235, 235), -1
            )
        cv2.rectangle(image, (x, top + 2), (x1, base), (52, 46, 42), -1)
        for _ in range(9):  # goods in the window
            gx, gy = int(rng.integers(x, x1)), int(rng.integers(top + 8, base))
            tone = tuple(int(v) for v in rng.integers(40, 170, 3))
            cv2.rectangle(image, (gx, gy), (min(gx + 7, x1), min(gy + 10, base)), tone, -1)
        mirrored = image[top + 2 : top + 14, x:x1]
        image[top + 2 : top + 14, x:x1] = cv2.addWeighted(
            mirrored, 0.6, np.full_like(mirrored, 170), 0.4, 0
        )
        cv2.rectangle(image, (x, top + 2), (x1, base), (90, 90, 92), 1)
        if rng.random() < max(lit_share, 0.5):
            cv2.rectangle(glow, (x, top - 9), (x1, base), (80, 130, 160), -1)
        x = x1 + int(rng.uniform(0.3, 1.6) * ppm)


def _front_door(image: Image, rng: np.random.Generator) -> None:
    ppm = FACADE_PX_PER_M
    height, width = image.shape[:2]
    for k in range(2):
        x = int(width * (0.2 + 0.5 * k))
        tone = tuple(int(v) for v in rng.integers(40, 150, 3))
        cv2.rectangle(image, (x, height - int(2.2 * ppm)), (x + ppm, height), tone, -1)
        cv2.rectangle(
            image,
            (x + 2 * ppm, height - 2 * ppm),
            (x + int(3.6 * ppm), height - ppm),
            (60, 54, 48),
            -1,
        )


def tree(rng: np.random.Generator) -> Image:
    """A tree as premultiplied BGRA (360, 270, 4): trunk below, lumps of leaves above."""
    layer = np.zeros((360, 270, 4), dtype=np.uint8)
    bark = rng.uniform(0.6, 1.1)
    trunk = np.array([(125, 360), (129, 180), (141, 180), (147, 360)], dtype=np.int32)
    cv2.fillPoly(layer, [trunk], (52 * bark, 66 * bark, 82 * bark, 255))
    cv2.line(layer, (142, 360), (138, 195), (70 * bark, 88 * bark, 104 * bark, 255), 3)
    for _ in range(7):
        tip = (int(rng.uniform(60, 210)), int(rng.uniform(75, 165)))
        start = (135, int(rng.uniform(180, 240)))
        cv2.line(layer, start, tip, (48 * bark, 60 * bark, 74 * bark, 255), 4)
    green = np.array([rng.uniform(36, 60), rng.uniform(84, 124), rng.uniform(52, 96)])
    _leaves(layer, green, rng)
    return layer


def _leaves(layer: Image, green: NDArray[np.float64], rng: np.random.Generator) -> None:
    """Lumps of leaves, dark ones inside and below, bright ones on top."""
    n_lumps, per_lump = 12, 170
    middle = rng.uniform((68, 52, 32), (202, 178, 58), (n_lumps, 3))  # x, y, radius
    angle = rng.uniform(0, 2 * np.pi, (n_lumps, per_lump))
    reach = np.sqrt(rng.random((n_lumps, per_lump))) * middle[:, 2:]
    x = (middle[:, :1] + reach * np.cos(angle)).ravel()
    y = (middle[:, 1:2] + reach * np.sin(angle) * 0.85).ravel()
    # Height within the lump lights a leaf as much as height within the crown.
    shade = 1.12 - y / 320 - 0.30 * (reach * np.sin(angle) / middle[:, 2:]).ravel()
    shade = np.clip(shade + rng.normal(0, 0.13, len(y)), 0.3, 1.6)
    size = rng.integers(2, 6, len(y))
    for k in np.argsort(shade + rng.normal(0, 0.12, len(y))):
        colour = np.clip(green * shade[k], 0, 255).tolist()
        cv2.circle(layer, (int(x[k]), int(y[k])), int(size[k]), (*colour, 255), -1)


def sky(light: Light, rng: np.random.Generator, *, size_wh: tuple[int, int]) -> Image:
    """A panorama that reaches from the zenith side (top row) to the horizon (bottom row)."""
    width, height = size_wh
    share = np.linspace(0, 1, height, dtype=np.float32)[:, None, None] ** 1.6
    top, low = (np.array(c, dtype=np.float32) for c in (light.sky_top, light.sky_horizon))
    picture = np.broadcast_to(top * (1 - share) + low * share, (height, width, 3)).copy()
    cloud = sum(
        noise((height, width), rng, cells=c) * a for c, a in ((96, 1.0), (40, 0.5), (16, 0.25))
    )
    cover = np.clip(np.asarray(cloud) * 0.8 + light.clouds * 1.4 - 0.9, 0, 1)[..., None]
    bright = np.clip(low * 1.1 + 8, 0, 255)
    cover = cover * (1.0 - 0.5 * share) * 0.8
    picture = picture * (1 - cover) + bright * cover
    return np.clip(picture, 0, 255).astype(np.uint8)
