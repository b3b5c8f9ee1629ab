"""Polygon meshes: planar faces with a colour, packed for speed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from offline_training.synthetic.camera import Camera, clip_near, NEAR_M
from offline_training.synthetic.canvas import Shape
from offline_training.synthetic.light import Light
from offline_training.synthetic.motion import Pose

Array = NDArray[np.float64]
Colour = tuple[float, float, float]
Point = tuple[float, float, float]


class Mesh:
    """Planar faces in paint order, packed so that one matrix product moves them all.

    Axes: x forward, y left, z up from the ground below the middle.
    """

    def __init__(self) -> None:
        self._faces: list[Array] = []
        self._colours: list[Colour] = []
        self._normals: list[Array] = []
        self._glow: list[bool] = []
        self._parts: list[int] = []
        self._part_x_m: list[float] = [0.0]
        self._spin: list[Point] = []  # wheel centre x, z and radius, or zeros

    def start_part(self, middle_x_m: float) -> None:
        """What is added from here on is one convex part around `middle_x_m`, painted together."""
        self._part_x_m.append(middle_x_m)

    def add(
        self,
        points: list[Point] | Array,
        colour: Colour,
        outward: Point,
        *,
        glow: bool = False,
        spin: Point = (0.0, 0.0, 0.0),
    ) -> None:
        """Add a polygon (N, 3); its normal is turned to the side of `outward`."""
        face = np.asarray(points, dtype=np.float64)
        normal = np.cross(face[1] - face[0], face[2] - face[0])
        normal = normal / max(float(np.linalg.norm(normal)), 1e-9)
        if normal @ np.asarray(outward) < 0:
            normal = -normal
        self._faces.append(face)
        self._colours.append(colour)
        self._normals.append(normal)
        self._glow.append(glow)
        self._parts.append(len(self._part_x_m) - 1)
        self._spin.append(spin)

    def pack(self) -> None:
        """Called once, after the last face."""
        self.vertices = np.concatenate(self._faces)  # (V, 3)
        self.sizes = np.array([len(f) for f in self._faces])
        self.starts = np.concatenate([[0], np.cumsum(self.sizes)[:-1]])
        self.normals = np.array(self._normals)  # (F, 3)
        self.colours = np.array(self._colours, dtype=np.float64)  # (F, 3)
        self.glow = np.array(self._glow)
        self.parts = np.array(self._parts)
        self.part_x_m = np.array(self._part_x_m)
        self.centres = np.array([f.mean(axis=0) for f in self._faces])
        self.spin = np.repeat(np.array(self._spin), self.sizes, axis=0)  # (V, 3)

    def shapes(self, camera: Camera, pose: Pose, light: Light, gain: float) -> list[Shape]:
        """The faces that look at the camera, projected and lit, in paint order."""
        optical, normals, seen = self._turned(camera, pose)
        pixels = camera.project_optical(optical)[:, :2]
        place = np.array([pose.x_m, pose.y_m, 0.0])
        colours = self._lit(normals, light, gain, float(np.linalg.norm(place - camera.position_m)))
        result: list[Shape] = []
        for i in self._paint_order(camera, pose, seen):
            span = slice(self.starts[i], self.starts[i] + self.sizes[i])
            points = pixels[span]
            if optical[span, 2].min() < NEAR_M:
                clipped = clip_near(optical[span])
                if len(clipped) < 3:
                    continue
                points = camera.project_optical(clipped)[:, :2]
            blue, green, red = colours[i].tolist()
            result.append(Shape(points_px=points, colour=(blue, green, red)))
        return result

    def outline_px(self, camera: Camera, pose: Pose) -> Array:
        """The corners of all faces that look at the camera, near ones cut, as (N, 2) pixels."""
        optical, _, seen = self._turned(camera, pose)
        corners = optical[np.repeat(seen, self.sizes)]
        if len(corners) and corners[:, 2].min() < NEAR_M:
            faces = [
                clip_near(optical[self.starts[i] : self.starts[i] + self.sizes[i]])
                for i in np.flatnonzero(seen)
            ]
            corners = np.concatenate([np.zeros((0, 3)), *(f for f in faces if len(f) >= 3)])
        return camera.project_optical(corners)[:, :2]

    def _turned(self, camera: Camera, pose: Pose) -> tuple[Array, Array, NDArray[np.bool_]]:
        """Vertices (V, 3) in optical axes, normals (F, 3) in the world's, faces seen (F,)."""
        turn = _turn(pose.heading_rad)
        place = np.array([pose.x_m, pose.y_m, 0.0])
        optical = camera.to_camera(self._spun(pose.travelled_m) @ turn.T + place)
        normals = self.normals @ turn.T
        to_face = self.centres @ turn.T + place - np.asarray(camera.position_m)
        return optical, normals, np.einsum('ij,ij->i', normals, to_face) < 0

    def _paint_order(
        self, camera: Camera, pose: Pose, seen: NDArray[np.bool_]
    ) -> NDArray[np.intp]:
        """Indices of seen faces: the part that is farther along the vehicle comes first."""
        faces = np.flatnonzero(seen)
        away = np.array(camera.position_m[:2]) - (pose.x_m, pose.y_m)
        along = float(away @ (np.cos(pose.heading_rad), np.sin(pose.heading_rad)))
        distance = np.abs(self.part_x_m - along)
        return faces[np.argsort(-distance[self.parts[faces]], kind='stable')]

    def _spun(self, travelled_m: float) -> Array:
        """The vertices with the wheels rolled by the distance travelled."""
        vertices = self.vertices.copy()
        rolls = self.spin[:, 2] > 0
        if rolls.any():
            centre = self.spin[rolls]
            angle = -travelled_m / centre[:, 2]
            dx, dz = vertices[rolls, 0] - centre[:, 0], vertices[rolls, 2] - centre[:, 1]
            vertices[rolls, 0] = centre[:, 0] + dx * np.cos(angle) - dz * np.sin(angle)
            vertices[rolls, 2] = centre[:, 1] + dx * np.sin(angle) + dz * np.cos(angle)
        return vertices

    def _lit(self, normals: Array, light: Light, gain: float, depth_m: float) -> Array:
        lit = self.colours * (light.shade(normals) + gain)
        if light.lamps > 0.1:
            lit[self.glow] = np.clip(self.colours[self.glow] * 1.5, 0, 255)
        haze = float(light.haze(np.array(depth_m)))
        return np.clip(lit * (1 - haze) + np.asarray(light.fog_colour) * haze, 0, 255)


def _turn(heading_rad: float) -> Array:
    c, s = np.cos(heading_rad), np.sin(heading_rad)
    return np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])
