"""Shares of reference directions: the laws that all obey, and the figures that each has from its source."""

import math

import pytest
import torch

from probbody.features.bins import AngleDirections, SigmoidDirections
from probbody.features.directions import CircleDirections, Directions, OneDirection, SphereDirections

F64 = torch.float64
FAMILY: dict[str, Directions] = {
    "one": OneDirection(),
    "circle of 4": CircleDirections(4),
    "circle of 8": CircleDirections(8, concentration=3.0),
    "circle of 2": CircleDirections(2),
    "axes": SphereDirections.axes(),
    "spiral of 11": SphereDirections.spiral(11),
    "own concentrations": SphereDirections(torch.eye(3), torch.tensor([0.0, 2.0, 9.0])),
    "sigmoid 1": SigmoidDirections(1),
    "sigmoid 2": SigmoidDirections(2),
    "sigmoid 3": SigmoidDirections(3),
    "angle 1": AngleDirections(1),
    "angle 5": AngleDirections(5),
}
AWKWARD = torch.cat([torch.eye(3, dtype=F64), -torch.eye(3, dtype=F64), torch.zeros(1, 3, dtype=F64)])


def some(count: int = 500) -> torch.Tensor:
    return torch.nn.functional.normalize(torch.randn(count, 3, dtype=F64), dim=-1)


def depth(cosine: float | list[float]) -> torch.Tensor:
    """Directions with that cosine to the viewing axis."""
    c = torch.tensor(cosine, dtype=F64).reshape(-1)
    return torch.stack([(1 - c**2).sqrt(), torch.zeros_like(c), c], dim=-1)


@pytest.mark.parametrize("name", FAMILY)
def test_shares_are_chances_and_finite_everywhere(name: str) -> None:
    directions = FAMILY[name]
    where = torch.cat([some(), AWKWARD]).requires_grad_()
    shares = directions.weights(where)
    assert shares.shape == (507, directions.count)
    assert ((shares >= 0) & (shares <= 1)).all()
    if not isinstance(directions, AngleDirections):
        torch.testing.assert_close(shares.sum(-1), torch.ones(507, dtype=F64))
    ((shares * torch.randn_like(shares)).sum() + 0 * where.sum()).backward()
    assert where.grad is not None
    assert where.grad.isfinite().all()


@pytest.mark.parametrize("name", FAMILY)
def test_a_batch_is_a_loop_and_the_dtype_is_followed(name: str) -> None:
    directions, where = FAMILY[name], some(6)
    together = directions.weights(where.unflatten(0, (2, 3)))
    torch.testing.assert_close(together.flatten(0, 1), torch.stack([directions.weights(one) for one in where]))
    assert directions.weights(where.float()).dtype == torch.float32
    torch.testing.assert_close(
        directions.weights(where.float()).double(), directions.weights(where), atol=1e-5, rtol=1e-5
    )
    assert directions.hard(where.unflatten(0, (2, 3))).shape == (2, 3)


@pytest.mark.parametrize("name", FAMILY)
def test_gradients_are_right(name: str) -> None:
    assert torch.autograd.gradcheck(FAMILY[name].weights, some(4).requires_grad_())


@pytest.mark.parametrize("name", ["circle of 4", "circle of 8", "axes", "spiral of 11"])
def test_without_concentration_uniform_and_with_much_all_in_one(name: str) -> None:
    given = FAMILY[name]
    assert isinstance(given, (CircleDirections, SphereDirections))
    where, references = some(), given.references
    none, all_ = SphereDirections(references, 0.0), SphereDirections(references, 1e7)
    torch.testing.assert_close(none.weights(where), torch.full((500, given.count), 1 / given.count, dtype=F64))
    one_hot = torch.nn.functional.one_hot(given.hard(where), given.count).double()
    assert (all_.weights(where) - one_hot).abs().amax(-1).median() < 1e-6
    assert (given.weights(where).argmax(-1) == given.hard(where)).all()


def test_equal_concentrations_cancel_and_others_are_von_mises_fisher_densities() -> None:
    where, references = some(), torch.nn.functional.normalize(torch.randn(5, 3, dtype=F64), dim=-1)
    alike = SphereDirections(references, 7.0).weights(where)
    torch.testing.assert_close(alike, (7.0 * where @ references.mT).softmax(-1))
    kappa = torch.tensor([0.5, 1.0, 3.0, 8.0, 20.0], dtype=F64)
    density = kappa / (4 * math.pi * kappa.sinh()) * (kappa * (where @ references.mT)).exp()
    shares = SphereDirections(references, kappa).weights(where)
    torch.testing.assert_close(shares, density / density.sum(-1, keepdim=True))
    barely = SphereDirections(references, torch.tensor([0.0, 1e-7, 1e-4, 0.0, 1e-12], dtype=F64)).weights(where)
    torch.testing.assert_close(barely, torch.full_like(barely, 0.2), atol=1e-4, rtol=0)


@pytest.mark.parametrize("count", [2, 3, 4, 8])
def test_on_the_circle_shares_turn_along_with_the_limb(count: int) -> None:
    directions, where = CircleDirections(count).to(F64), some()
    angle = 2 * math.pi / count
    turn = torch.tensor(
        [[1, 0, 0], [0, math.cos(angle), math.sin(angle)], [0, -math.sin(angle), math.cos(angle)]], dtype=F64
    )  # about x, from +z to +y: the way that the references go
    torch.testing.assert_close(
        directions.weights(where @ turn.mT), directions.weights(where).roll(1, dims=-1), atol=1e-6, rtol=1e-6
    )


def test_on_the_circle_the_default_is_as_told_and_a_limb_along_x_is_any() -> None:
    for count in (2, 3, 4, 8):
        directions = CircleDirections(count)
        shares = directions.weights(directions.references)
        assert (shares.diagonal() > 0.85).all()
        assert (shares.diagonal() < 0.93).all()
        across = directions.weights(torch.tensor([1.0, 0.0, 0.0]))
        torch.testing.assert_close(across, torch.full((count,), 1 / count))
    directions = CircleDirections(4)
    half = torch.tensor([0.0, math.sqrt(0.5), math.sqrt(0.5)])
    torch.testing.assert_close(directions.weights(half)[:2], torch.tensor([0.486, 0.486]), atol=1e-3, rtol=0)
    names = {"away": [0.0, 0, 1], "down": [0.0, 1, 0], "towards": [0.0, 0, -1], "up": [0.0, -1, 0]}
    assert directions.hard(torch.tensor(list(names.values()))).tolist() == [0, 1, 2, 3]


def test_the_axes_and_the_spiral_cover_the_sphere() -> None:
    where = some(2000)
    assert SphereDirections.axes().hard(where).bincount(minlength=6).min() > 250
    spread = SphereDirections.spiral(20)
    torch.testing.assert_close(spread.references.norm(dim=-1), torch.ones(20))
    assert spread.hard(where).bincount(minlength=20).min() > 50
    assert 0.6 < float(spread.weights(spread.references).diagonal().mean()) < 0.9


def test_sigmoid_bins_have_the_figures_of_the_released_code() -> None:
    three = SigmoidDirections(3).weights(depth([0.0, 0.3, -0.3, 1.0]))
    expected = [[0.9051, 0.0474, 0.0474], [0.4975, 0.5, 0.0025], [0.4975, 0.0025, 0.5], [0.0009, 0.9991, 0.0]]
    torch.testing.assert_close(three, torch.tensor(expected, dtype=F64), atol=6e-5, rtol=0)
    where = some()
    mirrored = where * torch.tensor([1.0, 1.0, -1.0], dtype=F64)
    shares = SigmoidDirections(3).weights(where)
    torch.testing.assert_close(shares[:, [0, 2, 1]], SigmoidDirections(3).weights(mirrored))
    torch.testing.assert_close(SigmoidDirections(2).weights(depth(0.1))[0, 0], torch.tensor(1.0, dtype=F64).sigmoid())


def test_angle_bins_have_the_figures_of_the_slides() -> None:
    found = AngleDirections(3).weights(depth([0.0, 1.0]))
    expected = torch.tensor([[0.0053, 0.9894, 0.0053], [0.5, 0.0, 0.0]], dtype=F64)
    torch.testing.assert_close(found, expected, atol=6e-5, rtol=0)
    where = some()
    angle = where[:, 2].arccos()
    total = (10 * angle).sigmoid() - (10 * (angle - math.pi)).sigmoid()
    torch.testing.assert_close(AngleDirections(4).weights(where).sum(-1), total)


@pytest.mark.parametrize("bins", [SigmoidDirections(2, 500.0), SigmoidDirections(3, 500.0), AngleDirections(5, 500.0)])
def test_sharp_bins_are_the_hard_ones(bins: Directions) -> None:
    where = some()
    one_hot = torch.nn.functional.one_hot(bins.hard(where), bins.count).double()
    off = (bins.weights(where) - one_hot).abs().amax(-1)
    assert (off < 0.01).double().mean() > 0.9
    away_from_ties = bins.weights(where).amax(-1) > 0.7
    assert (bins.weights(where).argmax(-1) == bins.hard(where))[away_from_ties].all()


def test_hard_bins_of_the_released_code() -> None:
    assert SigmoidDirections(3).hard(depth([0.0, 0.31, -0.31, 0.29])).tolist() == [0, 1, 2, 0]
    assert SigmoidDirections(2).hard(depth([0.1, -0.1])).tolist() == [0, 1]
    assert AngleDirections(4).hard(depth([1.0, 0.5, -0.5, -1.0])).tolist() == [0, 1, 2, 3]
    assert SigmoidDirections(1).hard(depth([1.0, -1.0])).tolist() == [0, 0]


def test_nonsense_is_refused() -> None:
    with pytest.raises(ValueError, match="count"):
        CircleDirections(1)
    with pytest.raises(ValueError, match="concentration"):
        CircleDirections(4, -1.0)
    with pytest.raises(ValueError, match="concentration"):
        SphereDirections(torch.eye(3), math.inf)
    with pytest.raises(ValueError, match="references"):
        SphereDirections(torch.zeros(2, 3), 1.0)
    with pytest.raises(ValueError, match="count"):
        SphereDirections.spiral(1)
    with pytest.raises(ValueError, match="count"):
        SigmoidDirections(4)
    with pytest.raises(ValueError, match="sharpness"):
        SigmoidDirections(3, math.nan)
    with pytest.raises(ValueError, match="count"):
        AngleDirections(0)
