"""What a GPU is given stays there: everything runs on a device that no machine needs to have, with the processor's answers."""

import functools
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest import mock

import pytest
import torch
from torch import Tensor
from torch.optim import optimizer

from probbody.bodies.open_body import open_body
from probbody.contracts import PosePrior
from probbody.extractors.shipped import load_features, save_features, shipped_features
from probbody.inference.cli.methods import Workshop, method_named
from probbody.inference.cli.parts import on_device
from probbody.inference.evaluate.method import Seen
from probbody.inference.learn import conditional
from probbody.inference.learn.feature_fitting import FeatureFitting, fitted_features
from probbody.inference.learn.feature_training import train_features
from probbody.inference.learn.lesson import Lesson
from probbody.priors import freed_prior, gaussian_prior, mixture_prior, vae_prior
from probbody.synth import DrawnBackdrops, Pictures, PriorPoses
from tests.learning_scenes import lessons, settings, small_trunk
from tests.make_believe import DEVICE, There, make_believe

SIZE = (192, 192)
METHODS = ("regressor", "eft", "neural-smpl", "released-code", "nbv+keypoints+outline")
"""Some of those of ``probbody eval``: a guess, a network learnt on, a mesh, a volume, the published choices."""


@pytest.fixture(autouse=True)
def _fused() -> Iterator[None]:
    """Steps that are fused on every device of torch."""
    known = optimizer._get_fused_kernels_supported_devices()
    with mock.patch.object(optimizer, "_get_fused_kernels_supported_devices", return_value=[*known, DEVICE.type]):
        yield


@functools.cache
def seen() -> Seen:
    """A drawn person, and keypoints where they are."""
    drawn = Pictures(open_body(), PriorPoses(vae_prior()), DrawnBackdrops(), SIZE).draw(3, torch.arange(1))
    points = open_body().keypoints(open_body()(drawn.pose), "coco17")
    found = drawn.camera.project(points)[..., :2]
    return Seen(drawn.images, drawn.camera, torch.cat([found, torch.ones(1, 17, 1)], dim=-1), ("a",))


def test_the_device_refuses_what_a_gpu_refuses() -> None:
    with make_believe() as there:
        one = torch.arange(6.0).reshape(2, 3).to(there)
        assert one.device == there == DEVICE
        with pytest.raises(RuntimeError, match="expected all tensors on one device"):
            one + torch.ones(3)
        with pytest.raises(RuntimeError, match="expected all tensors on one device"):
            torch.ones(2, 3)[one.long()]
        with pytest.raises(RuntimeError, match="numpy"):
            one.numpy()
        assert (one + torch.tensor(2.0)).sum().item() == 27  # a single number may come from the processor
        assert one[torch.tensor([1])].tolist() == one[[1]].tolist() == [[3, 4, 5]]  # and where to look
        assert torch.equal(one.cpu(), torch.arange(6.0).reshape(2, 3))


def test_its_gradients_views_and_numbers_are_those_of_the_processor() -> None:
    with make_believe() as there:
        made = [
            torch.zeros(3, device=there),
            torch.tensor([1.0], device=there),
            torch.ones(2).to(there).new_tensor([3]),
        ]
        assert all(isinstance(each, There) for each in made)
        one = torch.arange(6.0, device=there).requires_grad_()
        (one.view(2, 3)[:, 1:] ** 2).sum().backward()
        assert one.grad is not None
        assert one.grad.tolist() == [0, 2, 4, 0, 8, 10]
        held = torch.zeros(4).to(there)
        held.view(2, 2)[0].add_(1)
        held[3] = 5
        assert held.tolist() == [1, 1, 0, 5]
        layer = torch.nn.Linear(2, 1).to(there)
        assert isinstance(layer(held.view(2, 2)), There)


@pytest.mark.parametrize("name", METHODS)
def test_methods_answer_there_as_here(name: str) -> None:
    here = method_named(name, Workshop(open_body(), vae_prior(), shipped_features(), steps=2))(seen())
    with make_believe() as there:
        shop = Workshop(open_body().to(there), vae_prior().to(there), on_device(shipped_features(), there), steps=2)
        found = method_named(name, shop)(seen().to(there))
        assert isinstance(found.joints, There)
        joints: Tensor = found.joints.cpu()
    assert torch.allclose(joints, here.joints, atol=1e-4)


def test_pictures_drawn_there_are_those_drawn_here() -> None:
    with make_believe() as there:
        prior, body = vae_prior().to(there), open_body().to(there)
        drawn = Pictures(body, PriorPoses(prior), DrawnBackdrops(), SIZE).draw(3, torch.arange(1))
        assert isinstance(drawn.images, There)
        images: Tensor = drawn.images.cpu()
    assert torch.allclose(images, seen().images, atol=1e-6)


def test_a_reader_learns_there_and_is_fitted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conditional, "STEPS", 2)
    with make_believe() as there:
        body = open_body().to(there)

        def taught(step: int, count: int) -> Lesson:
            return lessons(step, count).to(there)

        run = train_features(taught, body, tmp_path / "run", settings(), trunk=small_trunk(), progress=False)
        kept = train_features(
            taught, body, tmp_path / "run", settings(), trunk=small_trunk(), resume=True, progress=False
        )
        assert all(isinstance(each, There) for each in (*kept.average.parameters(), kept.bank.rows))
        assert kept.bank.rows.tolist() == run.bank.rows.tolist()
        few = FeatureFitting(pictures=8, kept_out=8, batch=4, points=32, clutter=32, components=2)
        learnt = fitted_features(run.average, run.marking, taught, taught, "CC0-1.0", few)
        save_features(tmp_path / "features.safetensors", learnt)
    assert load_features(tmp_path / "features.safetensors").features.features.device.type == "cpu"


@pytest.mark.parametrize("prior", [mixture_prior, gaussian_prior, freed_prior])
def test_keypoints_are_fitted_there_as_here(prior: Callable[[], PosePrior]) -> None:
    here = Workshop(open_body(), prior(), shipped_features(), steps=3).smplify()(seen())
    with make_believe() as there:
        shop = Workshop(open_body().to(there), prior().to(there), on_device(shipped_features(), there), steps=3)
        joints: Tensor = shop.smplify()(seen().to(there)).joints.cpu()
    assert torch.allclose(joints, here.joints, atol=1e-4)
