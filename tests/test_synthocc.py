"""The open benchmark: the same pictures for everybody, whatever part of them is asked for; patches that are found again."""

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from probbody.bodies.open_body import open_body
from probbody.errors import BadInput
from probbody.inference.cli.compared import attacked
from probbody.inference.cli.methods import Workshop
from probbody.priors import vae_prior
from probbody.synthocc import Detector, SynthOcc, captured, drawn, hidden_share
from probbody.synthocc.scenes import in_the_open
from tests.evaluation_scenes import SIZE, TINY, tiny_benchmark, untaught


@pytest.fixture(scope="module")
def benchmark() -> SynthOcc:
    held = tiny_benchmark()
    held.numbers("clean")
    return held


@pytest.fixture(scope="module")
def shop() -> Workshop:
    return Workshop(open_body(), vae_prior(), untaught())


def test_a_part_is_a_part_of_the_whole(benchmark: SynthOcc) -> None:
    whole, part = benchmark.scenes("clean", slice(0, 4)), benchmark.scenes("clean", slice(1, 3))
    torch.testing.assert_close(part.pictures.images, whole.pictures.images[1:3], atol=2e-3, rtol=0)
    torch.testing.assert_close(part.keypoints, whole.keypoints[1:3], atol=1e-2, rtol=0)
    assert part.names() == whole.names()[1:3]
    assert torch.equal(part.shown, whole.shown[1:3])


def test_clean_pictures_are_clean_and_natural_ones_are_not(benchmark: SynthOcc) -> None:
    bare, behind = (benchmark.scenes(kind, slice(0, 4)) for kind in ("clean", "natural"))
    assert bool((hidden_share(bare.pictures) < 0.02).all())
    share = hidden_share(behind.pictures)
    assert bool(((share >= 0.1) & (share <= 0.65)).all())
    assert int((~behind.shown).sum()) > int((~bare.shown).sum())
    assert not set(bare.names()) & set(behind.names())


def test_a_detector_loses_what_is_hidden_and_nothing_else(benchmark: SynthOcc) -> None:
    scenes = benchmark.scenes("clean", slice(0, 4))
    nothing = torch.zeros_like(scenes.pictures.occluder)
    half = nothing.clone()
    half[:, :, SIZE[1] // 2 :] = True
    ask = Detector(wrong=0.0, guessed=0.0)
    seen, partly = (
        ask(benchmark.source.body, scenes.pictures, hidden, 2, scenes.numbers) for hidden in (nothing, half)
    )
    body = benchmark.source.body
    places = scenes.pictures.camera.project(body.keypoints(body(scenes.pictures.pose), "coco17"))[..., :2]
    gone = ~in_the_open(places, half)
    assert bool((partly[gone][:, 2] == 0).all())
    assert torch.equal(partly[~gone], seen[~gone])
    off = (seen[..., :2] - places).norm(dim=-1)[seen[..., 2] > 0]
    extent = (places.amax(1) - places.amin(1)).norm(dim=-1).mean()
    assert 0.5 * 0.012 < float(off.mean() / extent) < 2 * 0.012
    again = ask(body, scenes.pictures[2:3], nothing[2:3], 2, scenes.numbers[2:3])
    torch.testing.assert_close(again, seen[2:3], atol=1e-4, rtol=0)  # bodies of a batch are multiplied together


def test_a_protocol_knows_what_pictures_depend_on(benchmark: SynthOcc) -> None:
    card = benchmark.card()
    source = benchmark.source
    assert card == tiny_benchmark().card()
    others = [
        SynthOcc(TINY, source, seed=3),
        SynthOcc(replace(TINY, pictures=5), source),
        SynthOcc(replace(TINY, stride=10), source),
        SynthOcc(TINY, source, detector=Detector(scatter=0.02)),
        SynthOcc(TINY, drawn((96, 96))),
    ]
    assert len({str(other.card()["hash"]) for other in others} | {str(card["hash"])}) == 6


def test_numbers_are_kept_for_their_protocol_alone(
    tmp_path: Path, benchmark: SynthOcc, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = SynthOcc(TINY, benchmark.source, folder=tmp_path)
    found = first.numbers("natural")
    assert torch.equal(found, benchmark.numbers("natural"))
    with monkeypatch.context() as nobody:
        nobody.setattr("probbody.synthocc.benchmark.numbers_of", lambda *_: pytest.fail("chosen again"))
        assert torch.equal(SynthOcc(TINY, benchmark.source, folder=tmp_path).numbers("natural"), found)
    other = SynthOcc(replace(TINY, pictures=2), benchmark.source, folder=tmp_path)
    assert len(other.numbers("natural")) == 2
    (file,) = tmp_path.iterdir()
    file.write_text("{}")
    assert torch.equal(SynthOcc(TINY, benchmark.source, folder=tmp_path).numbers("natural"), found)


def test_captured_poses_before_photographs_have_a_protocol_of_their_own(tmp_path: Path) -> None:
    from PIL import Image

    Image.new("RGB", (80, 60), (90, 120, 40)).save(tmp_path / "hall_0.png")
    Image.new("RGB", (80, 60), (20, 20, 40)).save(tmp_path / "city_0.png")
    angles, chances = 0.1 * torch.randn(6, 21, 3), torch.ones(6)
    source = captured(angles, chances, tmp_path, ("hall",), SIZE)
    card = SynthOcc(TINY, source).card()
    assert "6 frames" in str(card["poses"])
    assert card["hash"] != tiny_benchmark().card()["hash"]
    assert card["hash"] != SynthOcc(TINY, captured(angles + 0.01, chances, tmp_path, ("hall",), SIZE)).card()["hash"]
    assert SynthOcc(TINY, source).scenes("clean", slice(0, 1)).pictures.images.shape == (1, 3, *SIZE)


def test_what_is_no_photograph_changes_no_protocol(tmp_path: Path) -> None:
    from PIL import Image

    def told() -> object:
        return captured(torch.zeros(2, 21, 3), torch.ones(2), tmp_path, ("hall",), SIZE).card["backdrops"]

    names = ("hall_0.png", "hall_1.PNG", "below/hall_2.jpg")
    (tmp_path / "below").mkdir()
    for number, name in enumerate(names):
        Image.new("RGB", (80, 60), (90, 40 * number, 40)).save(tmp_path / name)
    files = sorted(tmp_path / name for name in names)
    digests = b"".join(hashlib.sha256(path.read_bytes()).digest() for path in files)
    alone = f"photographs, 3, {hashlib.sha256(digests).hexdigest()[:12]}"
    assert told() == alone
    for name in ("README.md", "hall.md", "hall_2.json", ".hall", "below/city.png"):
        (tmp_path / name).write_text("no photograph of a hall")
    assert told() == alone
    Image.new("RGB", (80, 60), (90, 120, 40)).save(tmp_path / "below" / "hall_9.png")
    assert told() != alone


def test_patches_are_found_once_and_pasted_to_the_pixel(tmp_path: Path, benchmark: SynthOcc, shop: Workshop) -> None:
    regressor = shop.regressor()
    condition = attacked(80, regressor, tmp_path, shop)
    both = condition.scenes(benchmark, slice(0, 2))
    written = condition.patches(benchmark)
    assert [patch.name for patch in written.patches] == list(both.names())
    one = condition.scenes(benchmark, slice(1, 2))  # found before, so replayed
    assert condition.patches(benchmark) == written
    assert torch.equal(one.pictures.occluder[0], both.pictures.occluder[1])
    torch.testing.assert_close(one.pictures.images[0], both.pictures.images[1], atol=2e-3, rtol=0)
    plain = benchmark.scenes("clean", slice(0, 2))
    patch = both.pictures.occluder & ~plain.pictures.occluder
    assert bool((patch.sum((1, 2)) > 100).all())
    changed = (both.pictures.images - plain.pictures.images).abs().amax(1) > 1e-6
    assert not bool((changed & ~both.pictures.occluder).any())
    torch.testing.assert_close(one.witness(), both.witness()[1:], atol=2e-3, rtol=0)
    alone = attacked(80, regressor, None, shop).scenes(benchmark, slice(1, 2))
    assert torch.equal(alone.pictures.occluder, one.pictures.occluder)


def test_whom_keypoints_lead_cannot_be_attacked(shop: Workshop) -> None:
    with pytest.raises(BadInput, match="pixels alone, found SMPLify"):
        attacked(40, shop.smplify(), None, shop)
