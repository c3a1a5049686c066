"""Bodies as volumes: against the textbook, against the exact integral, and by their laws."""

from dataclasses import replace

import pytest
import torch

from probbody.geometry.cameras import PinholeCamera, WeakPerspectiveCamera
from probbody.geometry.rotations import axis_angle_to_matrix
from probbody.quantities import Kernels
from probbody.render.absorption import Absorption, ClosedForm, Composited, Conservative
from probbody.render.sight import ByThickness, EachAlike, OpticalDepth
from probbody.render.volume import VolumeRenderer
from tests import reference_volume as twin

EXACT = Conservative()
FORMS: list[tuple[Absorption, object]] = [
    (EXACT, twin.conservative_weights),
    (ClosedForm(), twin.closed_form_weights),
    (Composited(), twin.composited_weights),
]


def renderer(absorption: Absorption = EXACT, opacity: float | OpticalDepth = 2.0, cut: float = 4.0) -> VolumeRenderer:
    return VolumeRenderer(lambda surface: pytest.fail("no surface here"), opacity, absorption, cut)


def cloud(bodies: int, count: int, depth: float = 2.0, dtype: torch.dtype = torch.float64, seed: int = 0) -> Kernels:
    """Kernels of all sorts of thickness, overlapping, about the optical axis."""
    generator = torch.Generator().manual_seed(seed)
    means = 0.15 * torch.randn(bodies, count, 3, generator=generator, dtype=torch.float64)
    turn = axis_angle_to_matrix(torch.randn(bodies * count, 3, generator=generator, dtype=torch.float64)).view(
        bodies, count, 3, 3
    )
    sizes = 0.02 + 0.06 * torch.rand(bodies, count, 3, generator=generator, dtype=torch.float64)
    precisions = turn @ torch.diag_embed(sizes**-2) @ turn.mT
    means = means + means.new_tensor([0, 0, depth])
    return Kernels(means.to(dtype), precisions.to(dtype), torch.arange(count))


def ahead(bodies: int = 1, size: tuple[int, int] = (10, 13), focal: float = 20.0) -> PinholeCamera:
    return PinholeCamera.looking_ahead(focal, size, bodies).to(torch.float64)


def turned(camera: PinholeCamera) -> PinholeCamera:
    """Other cameras for each body, turned and moved, still looking at much the same."""
    steps = torch.arange(len(camera), dtype=torch.float64).unsqueeze(1)
    rotation = axis_angle_to_matrix(torch.tensor([[0.1, -0.2, 0.3]], dtype=torch.float64) * (1 + 0.3 * steps))
    translation = torch.tensor([[0.3, -0.1, 0.4]], dtype=torch.float64) * (1 + 0.1 * steps)
    return replace(camera, rotation=rotation, translation=translation, focal=camera.focal * torch.tensor([1.0, 1.1]))


@pytest.mark.parametrize(("absorption", "weigh"), FORMS)
@pytest.mark.parametrize("depth", [ByThickness(1.5), EachAlike(1.5)])
@pytest.mark.parametrize("kind", ["ahead", "turned", "weak"])
def test_every_pair_is_drawn_as_the_textbook_says(
    absorption: Absorption, weigh, depth: OpticalDepth, kind: str
) -> None:
    kernels = cloud(2, 30)
    camera = turned(ahead(2)) if kind == "turned" else ahead(2)
    if kind == "weak":
        camera = WeakPerspectiveCamera(torch.tensor([1.7, 1.5]), torch.tensor([[0.1, 0.05], [-0.1, 0.0]]), (10, 13)).to(
            torch.float64
        )
    attributes = torch.randn(2, 30, 4, dtype=torch.float64)
    drawn = renderer(absorption, depth, cut=100.0).draw(kernels, attributes, camera)
    weights = weigh(*twin.profiles(kernels, camera, 1.5, depth.thick))
    torch.testing.assert_close(drawn.features, twin.picture(weights, attributes, camera), rtol=1e-8, atol=1e-9)
    torch.testing.assert_close(
        drawn.coverage, weights.sum(-1).clamp_max(1).view(drawn.coverage.shape), rtol=1e-8, atol=1e-9
    )
