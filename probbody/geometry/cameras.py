"""Cameras: where the points of the world fall on a picture.

A camera looks along +z with y down and x right (OpenCV). A world point x is at R x + t in the camera's frame. Pixels (u, v)
grow right and down; the centre of the first pixel is at (0.5, 0.5).
"""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from ..contracts import Camera
from ..quantities import Record

NEAREST = 1e-3
"""Metres: points nearer than this, or behind the camera, are projected as if they were this far along the axis."""


@dataclass(frozen=True)
class PinholeCamera(Record, Camera):
    """Perspective: pixel = focal * (x / z, y / z) + centre, without lens distortion."""

    focal: Float[Tensor, "B 2"]
    """Pixels, along u and v."""
    centre: Float[Tensor, "B 2"]
    """The pixel on the optical axis; it may lie outside of the picture."""
    rotation: Float[Tensor, "B 3 3"]
    """World to camera."""
    translation: Float[Tensor, "B 3"]
    """Where the world's origin is in the camera's frame, in metres."""
    size: tuple[int, int]
    """Height and width."""

    views = 1

    @classmethod
    def looking_ahead(
        cls, focal: float, size: tuple[int, int], batch: int = 1, centre: tuple[float, float] | None = None
    ) -> "PinholeCamera":
        """``batch`` cameras at the world's origin along its axes, the principal point in the middle unless told."""
        u, v = (size[1] / 2, size[0] / 2) if centre is None else centre
        return cls(
            torch.full((batch, 2), float(focal)),
            torch.tensor([[u, v]], dtype=torch.get_default_dtype()).repeat(batch, 1),
            torch.eye(3).repeat(batch, 1, 1),
            torch.zeros(batch, 3),
            size,
        )

    def __len__(self) -> int:
        return len(self.focal)

    def project(self, points: Float[Tensor, "B N 3"]) -> Float[Tensor, "B N 3"]:
        """Pixel coordinates and true depth (metres) of world points.

        A depth below ``NEAREST`` counts as ``NEAREST`` for the pixel, so that pixels and gradients stay finite; the depth that
        is returned stays as it is and tells such points.
        """
        seen = points @ self.rotation.mT + self.translation.unsqueeze(1)
        depth = seen[..., 2:]
        pixels = self.focal.unsqueeze(1) * (seen[..., :2] / depth.clamp_min(NEAREST)) + self.centre.unsqueeze(1)
        return torch.cat([pixels, depth], dim=-1)

    def rays(self, pixels: Float[Tensor, "B M 2"]) -> tuple[Float[Tensor, "B M 3"], Float[Tensor, "B M 3"]]:
        """Origins and unit directions, in the world, of the rays through pixel coordinates."""
        ahead = (pixels - self.centre.unsqueeze(1)) / self.focal.unsqueeze(1)
        ahead = torch.nn.functional.normalize(torch.cat([ahead, torch.ones_like(ahead[..., :1])], dim=-1), dim=-1)
        origin = -(self.translation.unsqueeze(1) @ self.rotation)
        return origin.expand(ahead.shape), ahead @ self.rotation

    def place(self, code: Float[Tensor, "B 3"]) -> Float[Tensor, "B 3"]:
        """The world point at ``code`` = (x / z, y / z, log z) in the camera's frame."""
        depth = code[:, 2:].exp()
        return self._world(torch.cat([code[:, :2] * depth, depth], dim=-1))

    def locate(self, points: Float[Tensor, "B 3"]) -> Float[Tensor, "B 3"]:
        """The code of world points; a depth below ``NEAREST`` counts as ``NEAREST``."""
        seen = (self.rotation @ points.unsqueeze(-1)).squeeze(-1) + self.translation
        depth = seen[:, 2:].clamp_min(NEAREST)
        return torch.cat([seen[:, :2] / depth, depth.log()], dim=-1)

    def zoomed(self, factor: Float[Tensor, " B"]) -> "PinholeCamera":
        """The same camera with its focal length multiplied."""
        return replace(self, focal=self.focal * factor.unsqueeze(-1))

    def resized(self, size: tuple[int, int]) -> "PinholeCamera":
        """The same view in a picture of another height and width; pixels need not stay square."""
        factor = self.focal.new_tensor([size[1] / self.size[1], size[0] / self.size[0]])
        return replace(self, focal=self.focal * factor, centre=self.centre * factor, size=size)

    def turned(self, vectors: Float[Tensor, "B N 3"]) -> Float[Tensor, "B N 3"]:
        """Vectors of the world along the camera's axes."""
        return vectors @ self.rotation.mT

    def mirrored(self) -> "PinholeCamera":
        """The camera whose picture of the world mirrored at x = 0 is this one's with left and right exchanged."""
        flip = self.focal.new_tensor([-1.0, 1.0, 1.0])
        centre = torch.stack([self.size[1] - self.centre[:, 0], self.centre[:, 1]], dim=-1)
        rotation = flip[:, None] * self.rotation * flip
        return replace(self, centre=centre, rotation=rotation, translation=self.translation * flip)

    def _world(self, seen: Tensor) -> Tensor:
        return ((seen - self.translation).unsqueeze(1) @ self.rotation).squeeze(1)


@dataclass(frozen=True)
class WeakPerspectiveCamera(Record, Camera):
    """Perspective from afar: pixel = side / 2 * scale * ((x, y) + shift) + middle of the picture; rays are parallel.

    The convention of HMR and its descendants for square crops of ``side`` pixels: ``scale`` in half crops a metre, ``shift``
    in metres. Of a picture that is not square, ``side`` is the longer one. World and camera frame are the same.
    """

    scale: Float[Tensor, " B"]
    shift: Float[Tensor, "B 2"]
    size: tuple[int, int]

    views = 1

    def __len__(self) -> int:
        return len(self.scale)

    @property
    def magnification(self) -> Float[Tensor, " B"]:
        """Pixels a metre."""
        return self.scale * (max(self.size) / 2)

    def project(self, points: Float[Tensor, "B N 3"]) -> Float[Tensor, "B N 3"]:
        """Pixel coordinates of world points, and their z (metres) as depth."""
        pixels = self.magnification[:, None, None] * (points[..., :2] + self.shift.unsqueeze(1)) + self._middle()
        return torch.cat([pixels, points[..., 2:]], dim=-1)

    def rays(self, pixels: Float[Tensor, "B M 2"]) -> tuple[Float[Tensor, "B M 3"], Float[Tensor, "B M 3"]]:
        """Origins in the plane z = 0, and directions, all along +z."""
        origins = (pixels - self._middle()) / self.magnification[:, None, None] - self.shift.unsqueeze(1)
        zero = torch.zeros_like(origins[..., :1])
        return torch.cat([origins, zero], dim=-1), torch.cat([zero, zero, zero + 1], dim=-1)

    def place(self, code: Float[Tensor, "B 3"]) -> Float[Tensor, "B 3"]:
        """The world point at ``code`` = (x / z, y / z, log z)."""
        depth = code[:, 2:].exp()
        return torch.cat([code[:, :2] * depth, depth], dim=-1)

    def locate(self, points: Float[Tensor, "B 3"]) -> Float[Tensor, "B 3"]:
        """The code of world points; a depth below ``NEAREST`` counts as ``NEAREST``."""
        depth = points[:, 2:].clamp_min(NEAREST)
        return torch.cat([points[:, :2] / depth, depth.log()], dim=-1)

    def zoomed(self, factor: Float[Tensor, " B"]) -> "WeakPerspectiveCamera":
        """The same camera with its magnification multiplied."""
        return replace(self, scale=self.scale * factor)

    def resized(self, size: tuple[int, int]) -> "WeakPerspectiveCamera":
        """The same view in a larger or smaller picture; another shape than before is a ValueError."""
        if size[0] * self.size[1] != size[1] * self.size[0]:
            raise ValueError(
                f"WeakPerspectiveCamera.resized: {size} has not the proportions of {self.size}; crop the picture first."
            )
        return replace(self, size=size)

    def turned(self, vectors: Float[Tensor, "B N 3"]) -> Float[Tensor, "B N 3"]:
        """The vectors as they are: the camera is not turned."""
        return vectors

    def perspective(self, focal: Float[Tensor, " B"]) -> PinholeCamera:
        """The pinhole camera of that focal length (pixels) that shows the world's origin alike.

        It stands off by t = (shift_x, shift_y, 2 focal / (side scale)); as the focal length grows the two agree.
        """
        away = focal / self.magnification
        still = torch.eye(3, dtype=focal.dtype, device=focal.device).repeat(len(self), 1, 1)
        translation = torch.cat([self.shift, away.unsqueeze(-1)], dim=-1)
        middle = self._middle().repeat(len(self), 1)
        return PinholeCamera(focal.unsqueeze(-1).repeat(1, 2), middle, still, translation, self.size)

    @classmethod
    def of(cls, camera: PinholeCamera) -> "WeakPerspectiveCamera":
        """The weak camera that sees the plane through the world's origin alike: undoes ``perspective``.

        A pinhole camera that is turned, or does not stand off from the origin, is refused with a ValueError.
        """
        if not bool((camera.translation[:, 2] > 0).all()):
            raise ValueError("WeakPerspectiveCamera.of: the world's origin must lie before the pinhole camera.")
        still = torch.eye(3, dtype=camera.rotation.dtype, device=camera.rotation.device)
        if not torch.allclose(camera.rotation, still.expand_as(camera.rotation), atol=1e-6):
            raise ValueError("WeakPerspectiveCamera.of: the pinhole camera must not be turned.")
        magnification = camera.focal.mean(-1) / camera.translation[:, 2]
        weak = cls(magnification / (max(camera.size) / 2), camera.translation[:, :2], camera.size)
        off = (camera.centre - weak._middle()) / magnification.unsqueeze(-1)
        return replace(weak, shift=weak.shift + off)

    def _middle(self) -> Tensor:
        return self.scale.new_tensor([self.size[1] / 2, self.size[0] / 2])


@dataclass(frozen=True)
class CameraRig(Record, Camera):
    """Several cameras on the same body at once; codes of places are those of the first."""

    cameras: tuple[PinholeCamera, ...]

    def __post_init__(self) -> None:
        if not self.cameras:
            raise ValueError("CameraRig needs at least one camera.")
        if len({(camera.size, len(camera)) for camera in self.cameras}) > 1:
            raise ValueError("CameraRig: all cameras must have the same picture size and the same number of bodies.")

    @property
    def size(self) -> tuple[int, int]:  # type: ignore[override]
        """Height and width of each picture."""
        return self.cameras[0].size

    @property
    def views(self) -> int:  # type: ignore[override]
        """How many cameras there are."""
        return len(self.cameras)

    def __len__(self) -> int:
        return len(self.cameras[0])

    def project(self, points: Float[Tensor, "B N 3"]) -> Float[Tensor, "B M 3"]:
        """Pixels and depths of all points in the first view, then in the second, and so on."""
        return torch.cat([camera.project(points) for camera in self.cameras], dim=1)

    def rays(self, pixels: Float[Tensor, "B M 2"]) -> tuple[Float[Tensor, "B M 3"], Float[Tensor, "B M 3"]]:
        """Rays through pixels that come view by view, equally many in each."""
        if pixels.shape[1] % self.views:
            raise ValueError(f"CameraRig.rays: {pixels.shape[1]} pixels cannot be shared by {self.views} views.")
        parts = pixels.chunk(self.views, dim=1)
        pairs = [camera.rays(part) for camera, part in zip(self.cameras, parts, strict=True)]
        return torch.cat([origins for origins, _ in pairs], dim=1), torch.cat([ahead for _, ahead in pairs], dim=1)

    def place(self, code: Float[Tensor, "B 3"]) -> Float[Tensor, "B 3"]:
        """The world point at a code of the first camera."""
        return self.cameras[0].place(code)

    def locate(self, points: Float[Tensor, "B 3"]) -> Float[Tensor, "B 3"]:
        """The code of world points for the first camera."""
        return self.cameras[0].locate(points)

    def zoomed(self, factor: Float[Tensor, " B"]) -> "CameraRig":
        """Every camera zoomed alike."""
        return type(self)(tuple(camera.zoomed(factor) for camera in self.cameras))

    def resized(self, size: tuple[int, int]) -> "CameraRig":
        """Every camera resized alike."""
        return type(self)(tuple(camera.resized(size) for camera in self.cameras))

    def turned(self, vectors: Float[Tensor, "B N 3"]) -> Float[Tensor, "B N 3"]:
        """Along the axes of the first camera."""
        return self.cameras[0].turned(vectors)
