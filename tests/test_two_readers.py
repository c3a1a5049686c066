"""Two networks that learnt apart: features by one, the body first by the other, and what both tell is told apart."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from jaxtyping import Float
from torch import Tensor

from probbody.bodies.open_body import open_body
from probbody.errors import BadInput
from probbody.extractors.guess_errors import GuessErrors
from probbody.extractors.learnt import LearntFeatures
from probbody.extractors.looks import Look, Looks
from probbody.extractors.person_reader import PersonReader
from probbody.extractors.reading import PictureReader, Reading
from probbody.extractors.rest_joints import RestJoints
from probbody.extractors.shipped import save_features, second_features, shipped_features
from probbody.extractors.small_unet import SmallUNet
from probbody.extractors.two_readers import TwoReaders, beside
from probbody.features.backgrounds import UniformBackground
from probbody.features.directions import OneDirection
from probbody.features.fields import DirectedFeatures
from probbody.features.limbs import limbs_of
from probbody.geometry.cameras import PinholeCamera
from probbody.inference.cli.methods import Workshop
from probbody.models import GuessEvidence
from probbody.priors import vae_prior
from probbody.systems import what_is_read

BODY, SIZE = open_body(), (64, 64)


def reader(seed: int, channels: int = 8, size: tuple[int, int] = SIZE) -> PersonReader:
    """One that tells something of its own."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        made = PersonReader(
            SmallUNet((8, 8, 16, 16, 16), (0, 0, 0, 0)), RestJoints.of(BODY), channels, size, summary=24
        )
        for part in made.parameters():
            part.data += 0.02 * torch.randn_like(part)
        return made.eval()


def learning(seed: int, channels: int = 8) -> LearntFeatures:
    rows = torch.nn.functional.normalize(torch.randn(len(BODY.weights), 1, channels), dim=-1)
    field = DirectedFeatures(rows, limbs_of(BODY), OneDirection())
    made, errors = reader(seed, channels), GuessErrors((1 + seed) * torch.eye(3 * len(BODY.parents)))
    looks = Looks(made.rest, (Look(mirrored=True),))
    return LearntFeatures(
        made,
        field,
        10.0 + seed,
        UniformBackground(channels),
        0.1 + seed,
        f"licence {seed}",
        0.5 + seed,
        0.9,
        (errors,),
        looks,
    )


class WithoutSpots(PictureReader):
    """Tells all that another does but where joints are."""

    def __init__(self, told: PictureReader) -> None:
        super().__init__()
        self.channels, self.size, self.told = told.channels, told.size, told

    def forward(self, images: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B D h w"]:
        found: Tensor = self.told(images)
        return found

    def read(self, images: Float[Tensor, "B 3 H W"], camera: PinholeCamera) -> Reading:
        return replace(self.told.read(images, camera), spots=None)


def seen() -> tuple[Float[Tensor, "2 3 H W"], PinholeCamera]:
    images = torch.rand(2, 3, *SIZE, generator=torch.Generator().manual_seed(0))
    return images, PinholeCamera.looking_ahead(90.0, SIZE, batch=2)


def test_features_are_the_seconds_and_the_body_first_the_firsts() -> None:
    first, second = reader(0), reader(1, channels=12)
    found, one, other = (each.read(*seen()) for each in (TwoReaders(first, second), first, second))
    assert TwoReaders(first, second).channels == 12
    torch.testing.assert_close(found.features, other.features)
    torch.testing.assert_close(found.features, TwoReaders(first, second)(seen()[0]))
    assert torch.equal(found.pose.rotations, one.pose.rotations)
    (further,) = found.others
    assert torch.equal(further.rotations, other.pose.rotations)
    assert not torch.allclose(further.rotations, one.pose.rotations, atol=1e-3)


def test_maps_are_the_mean_of_both() -> None:
    first, second = reader(0), reader(1)
    found, one, other = (each.read(*seen()) for each in (TwoReaders(first, second), first, second))
    torch.testing.assert_close(found.parts, (one.parts + other.parts) / 2)
    assert one.spots is not None
    assert other.spots is not None
    torch.testing.assert_close(found.spots, (one.spots + other.spots) / 2)


@pytest.mark.parametrize("silent", ["first", "second", "both"])
def test_a_reader_that_does_not_tell_of_joints_leaves_them_to_the_other(silent: str) -> None:
    both = [reader(0), reader(1)]
    quiet = [
        WithoutSpots(each) if silent in (name, "both") else each
        for name, each in zip(("first", "second"), both, strict=True)
    ]
    found = TwoReaders(*quiet).read(*seen()).spots
    if silent == "both":
        assert found is None
    else:
        wanted = both[silent == "first"].read(*seen()).spots
        assert wanted is not None
        torch.testing.assert_close(found, wanted)


def test_readers_of_other_sizes_are_refused() -> None:
    with pytest.raises(
        ValueError, match=r"second: expected a reader of pictures of \(64, 64\), found one of \(96, 64\)\.$"
    ):
        TwoReaders(reader(0), reader(1, size=(96, 64)))


def test_guesses_take_turns_in_every_look() -> None:
    """First the picture as it is, then mirrored; in both the first network, then the second."""
    one, other = learning(0), learning(1)
    found, alone, apart = (each.read(*seen()) for each in (beside(one, other), one, other))
    told = (found.pose, *found.others)
    wanted = (alone.pose, apart.pose, alone.others[0], apart.others[0])
    assert len(told) == 4
    for here, there in zip(told, wanted, strict=True):
        for name in ("rotations", "translation", "shape"):
            torch.testing.assert_close(getattr(here, name), getattr(there, name), atol=1e-5, rtol=1e-5)


def test_each_network_is_believed_by_its_own_errors() -> None:
    one, other = learning(0), learning(1)
    both = beside(one, other)
    guesses = [each for each in what_is_read(both) if isinstance(each, GuessEvidence)]
    assert [each.site for each in guesses] == ["points", "points_1"]
    points = torch.arange(4)
    assert [points[each.which].tolist() for each in guesses] == [[0, 2], [1, 3]]
    assert [float(each.errors.scale[0, 0]) for each in guesses] == [1.0, 2.0]
    assert (both.concentration, both.temper, both.spot_weight) == (11.0, 1.1, 0.5)
    assert both.licence == "licence 0; licence 1"
    (alone,) = (each for each in what_is_read(one) if isinstance(each, GuessEvidence))
    assert points[alone.which].tolist() == [0, 1, 2, 3]


def test_errors_of_one_network_are_not_taken_for_those_of_both() -> None:
    one, other = learning(0), learning(1)
    for first, second in ((one, replace(other, guesses=())), (replace(one, guesses=()), other)):
        with pytest.raises(ValueError, match="expected errors of the guesses of both networks or of none"):
            beside(first, second)
    assert beside(replace(one, guesses=()), replace(other, guesses=())).guesses == ()


def test_errors_measured_in_other_looks_are_refused() -> None:
    with pytest.raises(ValueError, match="expected errors measured in the looks"):
        beside(learning(0), replace(learning(1), looks=None))


def test_what_counts_nothing_is_no_evidence() -> None:
    nothing = replace(learning(0), guess_weight=0.0, spot_weight=0.0)
    assert what_is_read(nothing) == ()
    assert len(what_is_read(learning(0))) == 2


def test_two_networks_are_two_files(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="expected a PersonReader"):
        save_features(tmp_path / "both.safetensors", beside(learning(0), learning(1)))


def test_the_two_that_ship_are_of_one_body_and_small_together() -> None:
    learnt = beside(shipped_features(), second_features())
    assert learnt.features.features.shape[0] == len(BODY.weights)
    assert len(learnt.guesses) == 2
    assert learnt.times == 4
    assert sum(part.numel() for part in learnt.reader.parameters()) < 6_000_000


def test_the_regressor_is_the_first_of_two() -> None:
    first, second = shipped_features(), second_features()
    shop = Workshop(BODY, vae_prior(), beside(first, second))
    alone = replace(shop, learnt=first)
    assert shop.regressor().card() == alone.regressor().card()
    assert shop.mean_pose().card() == alone.mean_pose().card()


def test_a_first_network_that_the_second_does_not_suit_is_refused() -> None:
    with pytest.raises(BadInput, match=r"^two networks: second: expected .* \(64, 64\), found one of \(192, 192\)\.$"):
        Workshop(BODY, vae_prior(), replace(learning(0), looks=shipped_features().looks)).two_networks()
    with pytest.raises(BadInput, match=r"^two networks: second: expected errors of the guesses of both"):
        Workshop(BODY, vae_prior(), replace(shipped_features(), guesses=())).two_networks()
