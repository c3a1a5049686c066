"""``probbody train features``: from pools of pictures to a file, its card, and the words of what goes wrong."""

import functools
import json
import sys
from pathlib import Path

import pytest
import torch

from probbody.bodies.open_body import open_body
from probbody.extractors.shipped import load_features
from probbody.geometry.cameras import PinholeCamera
from probbody.inference.cli import features as command
from probbody.inference.cli.main import main
from probbody.inference.learn.feature_fitting import FeatureFitting
from probbody.inference.learn.picture_pool import KIND
from probbody.inference.learn.temper import Tempering
from probbody.priors.weights import write_weights
from probbody.quantities import Pose

BODY, SIZE, COUNT = open_body(), 64, 33


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """To learn from."""
    return pool_of(tmp_path_factory.mktemp("pool"), 0)


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """To measure on."""
    return pool_of(tmp_path_factory.mktemp("other"), 1)


def pool_of(folder: Path, seed: int, vertices: int = 1199) -> Path:
    """Pictures of noise, in which a body is said to stand."""
    generator = torch.Generator().manual_seed(seed)
    pose = Pose(
        torch.diag(torch.tensor([1.0, -1.0, -1.0])).expand(COUNT, 1, 3, 3).contiguous(),
        torch.zeros(COUNT, 10),
        torch.tensor([[0.0, 0.0, 4.5]]).repeat(COUNT, 1),
    )
    turns = torch.cat([pose.rotations, torch.eye(3).expand(COUNT, 23, 3, 3)], dim=1)
    camera = PinholeCamera.looking_ahead(130.0, (SIZE, SIZE), COUNT)
    mask = torch.zeros(COUNT, SIZE // 4, SIZE // 4, dtype=torch.bool)
    mask[:, 2:14, 6:10] = True
    held = {
        "images": torch.randint(0, 256, (COUNT, 3, SIZE, SIZE), generator=generator, dtype=torch.uint8),
        "rotations": turns, "shape": pose.shape, "translation": pose.translation, "focal": camera.focal,
        "centre": camera.centre, "joints": BODY(Pose(turns, pose.shape, pose.translation)).joints,
        "parts": mask.to(torch.uint8), "mask": mask, "occluder": torch.zeros_like(mask),
        "visible": torch.rand(COUNT, vertices, generator=generator) < 0.3,
    }  # fmt: skip
    write_weights(folder / f"pictures_s{seed}_000000000.safetensors", held, {}, KIND)
    return folder


def run(monkeypatch: pytest.MonkeyPatch, *words: object) -> int:
    monkeypatch.setattr(sys, "argv", ["probbody", "train", "features", *map(str, words)])
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)


@pytest.mark.parametrize(("network", "asked"), [((), "train features"), (("--network", "slim"), "--network slim")])
def test_features_come_out_of_pools_and_again_out_of_the_checkpoint(
    network: tuple[str, ...], asked: str, pool: Path, other: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "fitted_temper", lambda *_: Tempering(0.25, 0.5))  # slow, and tested by itself
    monkeypatch.setattr(command, "FeatureFitting", functools.partial(FeatureFitting, points=4, clutter=4, components=2))
    out = tmp_path / "features.safetensors"
    words = ("--data", pool, "--validation", other, "--out", out, "--steps", 2, "--batch", 4, "--licence", "CC0-1.0")
    words += network
    assert run(monkeypatch, *words, "--device", "cpu", "--seed", 5) == 0
    learnt = load_features(out)
    assert learnt.licence == "CC0-1.0"
    assert learnt.features.features.shape == (1199, 4, 64)
    assert learnt.temper == 0.25
    assert out.stat().st_size < 25e6
    told = json.loads(out.with_suffix(".json").read_text())
    assert told["steps_taken"] == 2
    card = out.with_suffix(".md").read_text()
    assert told["sha256"][out.name] in card
    assert asked in card
    assert "visited 8 times" in card
    first = out.read_bytes()
    out.unlink()
    assert run(monkeypatch, *words, "--device", "cpu", "--finish") == 0
    assert out.read_bytes() == first


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--network", "huge"], "--network: expected small, slim or resnet50, found 'huge'."),
        (["--backbone", "weights.safetensors"], "--backbone: expected with --network resnet50 alone"),
        (["--finish"], "expected a checkpoint, found nothing there."),
        (["--out", "f.json"], "--out: expected a name that ends in .safetensors, found 'f.json'."),
        (["--out", "f.safetensors"], "found f.safetensors, a folder."),
        (["--rate", "1e30", "--steps", "3", "--batch", "4"], "is not finite; lower the rate."),
    ],
)
def test_what_cannot_be_is_told_in_one_sentence(
    pool: Path,
    other: Path,
    tmp_path: Path,
    words: list[str],
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("f.safetensors").mkdir()
    code = run(monkeypatch, "--data", pool, "--validation", other, "--out", "g.safetensors", *words)
    assert code == 2
    said_last = capsys.readouterr().err.replace("\r", "\n").splitlines()[-1]
    assert said_last.startswith("probbody: ")
    assert said in said_last


def test_pools_are_of_different_pictures_of_this_body(
    pool: Path, other: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    few, fine = tmp_path / "few", tmp_path / "fine"
    few.mkdir()
    fine.mkdir()
    pool_of(fine, 2, vertices=1200)
    for taught, kept_out, said in (
        (pool, pool, "expected other pictures than in"),
        (pool, few, "expected at least 32 drawn pictures, found 0."),
        (fine, other, "expected to know which of 1199 vertices one sees, found 1200 vertices."),
    ):
        words = ("--data", taught, "--validation", kept_out, "--out", tmp_path / "f.safetensors", "--batch", 4)
        assert run(monkeypatch, *words) == 2
        assert said in capsys.readouterr().err


def test_a_pool_that_is_not_there_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    missing = tmp_path / "nowhere"
    assert run(monkeypatch, "--data", missing, "--validation", missing, "--out", tmp_path / "f.safetensors") == 2
