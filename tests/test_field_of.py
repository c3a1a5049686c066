"""What a body looks like to an extractor is learnt from drawn pictures, whatever the extractor is."""

import pytest
import torch
from torch import Tensor
from torch.nn.functional import normalize

from probbody.bodies.open_body import open_body
from probbody.features import OneDirection, random_features
from probbody.inference.learn.field_of import Extractor, field_of
from probbody.priors import gaussian_prior
from probbody.render import MeshRenderer
from probbody.synth import DrawnBackdrops, Pictures, PriorPoses

BODY = open_body()


@pytest.fixture(scope="module")
def pictures() -> Pictures:
    return Pictures(BODY, PriorPoses(gaussian_prior()), DrawnBackdrops(), (64, 64))


def knowing(pictures: Pictures, side: int) -> tuple[Extractor, Tensor]:
    """An extractor that cheats, as it draws the pictures that it will be asked for; what it takes the body to look like."""
    truth = random_features(BODY, OneDirection(), 8, torch.Generator().manual_seed(0), wavelength=1.0)
    asked: list[int] = []

    def extract(images: Tensor) -> Tensor:
        drawn = pictures.draw(0, torch.arange(sum(asked), sum(asked) + len(images)))
        asked.append(len(images))
        assert torch.equal(drawn.images, images)
        surface, view = BODY(drawn.pose), drawn.camera.resized((side, side))
        weights = truth.weights(surface, view)
        shown = torch.einsum("bvo,vod->bvd", weights, truth.features)
        seen = MeshRenderer()(surface, shown, view)
        beside = torch.ones(8)[:, None, None] * (1 - seen.coverage[:, None])
        return 3 * seen.features + beside

    return extract, truth.features


@pytest.mark.parametrize("side", [16, 20])
def test_the_field_is_found_again(pictures: Pictures, side: int) -> None:
    extractor, truth = knowing(pictures, side)
    seen = field_of(extractor, BODY, pictures, 20, directions=OneDirection(), components=2)
    often = (seen.features.features != 0).any(-1)
    assert often.float().mean() > 0.95
    alike = (seen.features.features * truth).sum(-1)[often]
    assert alike.mean() > 0.8
    assert seen.concentration > 20
    straight = normalize(torch.ones(8), dim=0)
    assert seen.background.marginal().log_prob(straight) > seen.background.marginal().log_prob(-straight) + 2


@pytest.mark.parametrize(
    ("extractor", "told"),
    [
        (lambda images: images.mean((2, 3)), r"expected a map for each of 8 pictures, found \(8, 3\)"),
        (lambda images: images[:1], r"expected a map for each of 8 pictures, found \(1, 3, 64, 64\)"),
        (lambda images: images / 0, "expected finite features, found others"),
        (lambda images: "no map", "expected a map for each of 8 pictures, found str"),
    ],
)
def test_what_is_no_map_is_refused(pictures: Pictures, extractor: Extractor, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        field_of(extractor, BODY, pictures, 10)


def test_too_few_pictures_are_refused(pictures: Pictures) -> None:
    with pytest.raises(ValueError, match="count: expected 10 pictures or more, found 9"):
        field_of(lambda images: images, BODY, pictures, 9)
