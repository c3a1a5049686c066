import shutil
from pathlib import Path

import pytest
import torch

from probbody.bodies.open_body import open_body
from probbody.errors import BadInput
from probbody.inference.learn.feature_data import PoolLessons
from probbody.inference.learn.picture_pool import PicturePool, fill, pooled
from probbody.priors.shipped import mixture_prior, vae_prior
from probbody.synth.pictures import Pictures
from probbody.synth.poses import PriorPoses
from probbody.synth.scenery import DrawnBackdrops


@pytest.fixture(scope="module")
def pictures() -> Pictures:
    return Pictures(open_body(), PriorPoses(vae_prior()), DrawnBackdrops(), (64, 64))


@pytest.fixture(scope="module")
def folder(pictures: Pictures, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pool") / "made"
    assert fill(pictures, folder, 0, 8, 20, shard=8) == 20
    return folder


def test_a_pool_holds_what_was_drawn(pictures: Pictures, folder: Path) -> None:
    pool = PicturePool(folder)
    assert len(pool) == 20
    assert len(pool.shards) == 3
    held, drawn = pool.rows(9, 3), pooled(pictures.draw(0, torch.arange(17, 20)))
    torch.testing.assert_close(held.images, drawn.images)
    for name in ("joints", "parts", "mask", "occluder", "visible"):
        assert torch.equal(getattr(held, name), getattr(drawn, name)), name
    assert torch.equal(held.pose.rotations, drawn.pose.rotations)
    assert torch.equal(held.camera.centre, drawn.camera.centre)
    assert held.camera.size == (64, 64)
    assert held.parts.shape == (3, 16, 16)


def test_maps_hold_the_pixel_at_the_middle_of_each_cell(pictures: Pictures) -> None:
    drawn = pictures.draw(0, torch.arange(2))
    assert torch.equal(pooled(drawn).parts[:, 3, 5], drawn.parts[:, 14, 22])


def test_an_interrupted_pool_goes_on_to_the_same_bytes(pictures: Pictures, folder: Path, tmp_path: Path) -> None:
    fill(pictures, tmp_path, 0, 8, 13, shard=8)  # the second file is short
    assert fill(pictures, tmp_path, 0, 8, 20, shard=8) == 12
    for path in folder.iterdir():
        assert (tmp_path / path.name).read_bytes() == path.read_bytes()
    assert fill(pictures, tmp_path, 0, 8, 20, shard=8) == 0


def test_batches_depend_on_step_and_seed_alone(folder: Path) -> None:
    first, again = PicturePool(folder), PicturePool(folder)
    one = first.batch(3, 6, seed=5)
    assert torch.equal(one.images, again.batch(3, 6, seed=5).images)
    assert not torch.equal(one.images, again.batch(4, 6, seed=5).images)
    assert not torch.equal(one.images, again.batch(3, 6, seed=6).images)
    assert len(one) == 6


def test_learnings_of_different_seeds_are_measured_on_the_same_pictures(folder: Path) -> None:
    body = open_body()
    first, other = (PoolLessons(PicturePool(folder), body, seed) for seed in (3, 4))
    assert not torch.equal(first(0, 4).images, other(0, 4).images)
    assert torch.equal(first.alike()(0, 4).images, other.alike()(0, 4).images)


def test_files_that_come_later_are_seen_and_may_be_left_out(pictures: Pictures, folder: Path, tmp_path: Path) -> None:
    fill(pictures, tmp_path, 0, 8, 8, shard=8)
    pool = PicturePool(tmp_path)
    before = pool.batch(0, 4, seed=0)
    fill(pictures, tmp_path, 0, 16, 8, shard=8)
    assert len(pool) == 16
    assert torch.equal(before.images, pool.batch(0, 4, seed=0, shards=1).images)


def test_what_is_no_pool_is_refused_in_a_sentence(pictures: Pictures, folder: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="expected a folder of drawn pictures"):
        PicturePool(tmp_path / "nowhere")
    with pytest.raises(BadInput, match="expected at least 1 drawn pictures, found 0"):
        PicturePool(tmp_path).batch(0, 1, seed=0)
    with pytest.raises(BadInput, match="expected at least 21"):
        PicturePool(folder).batch(0, 21, seed=0)
    with pytest.raises(BadInput, match="a count and a shard of at least 1"):
        fill(pictures, tmp_path, 0, 0, 0)
    broken = tmp_path / "pictures_s0_000000000.safetensors"
    broken.write_bytes((next(iter(sorted(folder.iterdir())))).read_bytes()[:-5])
    with pytest.raises(BadInput, match="expected a whole file of drawn pictures"):
        len(PicturePool(tmp_path))
    broken.write_bytes(b"\x00" * 4)
    with pytest.raises(BadInput, match="expected a whole file of drawn pictures"):
        len(PicturePool(tmp_path))


def test_a_pool_of_other_options_is_not_gone_on_with(pictures: Pictures, folder: Path) -> None:
    upright = Pictures(open_body(), PriorPoses(mixture_prior()), DrawnBackdrops(), (64, 64))
    with pytest.raises(BadInput, match=r"expected picture 8 of seed 0 as these options draw it, found other"):
        fill(upright, folder, 0, 8, 20, shard=8)


def test_a_pool_is_of_one_size_and_one_body(pictures: Pictures, folder: Path, tmp_path: Path) -> None:
    small = Pictures(open_body(), PriorPoses(vae_prior()), DrawnBackdrops(), (32, 32))
    fine = Pictures(open_body("fine"), PriorPoses(vae_prior()), DrawnBackdrops(), (64, 64))
    before = sorted(folder.iterdir())
    for other, name in ((small, "images"), (fine, "visible")):
        for seed, first in ((0, 8), (0, 28), (1, 0)):
            with pytest.raises(BadInput, match=rf"expected {name} of shape .* as these options draw them, found"):
                fill(other, folder, seed, first, 2)
        fill(other, tmp_path / name, 1, 0, 2)
        for path in before:
            shutil.copy(path, tmp_path / name)
        pool = PicturePool(tmp_path / name)
        for _ in range(2):  # nor at the second time of asking
            with pytest.raises(BadInput, match=rf"expected {name} of shape .* as in pictures_s0_000000008"):
                pool.batch(0, 4, seed=0)
    assert sorted(folder.iterdir()) == before


def test_a_pool_that_could_not_be_read_is_not_made(pictures: Pictures, tmp_path: Path) -> None:
    fill(pictures, tmp_path, 0, 0, 4, shard=8)
    fill(pictures, tmp_path, 0, 4, 4, shard=8)
    with pytest.raises(
        BadInput, match=r"_000000004\.safetensors: .* found 4 to 7 of seed 0; choose another --first or folder"
    ):
        fill(pictures, tmp_path, 0, 0, 8, shard=8)
    with pytest.raises(BadInput, match=r"_000000000\.safetensors: .* found 2 to 3 of seed 0"):
        fill(pictures, tmp_path, 0, 0, 4, shard=2)  # the first file stays, and has what the second would
    assert len(PicturePool(tmp_path)) == 8
    assert fill(pictures, tmp_path, 0, 0, 8, shard=4) == 0
    assert fill(pictures, tmp_path, 1, 0, 8, shard=8) == 8
    assert len(PicturePool(tmp_path)) == 16


def test_no_picture_is_in_a_pool_twice_or_in_two(pictures: Pictures, folder: Path, tmp_path: Path) -> None:
    fill(pictures, tmp_path / "next", 0, 28, 4)
    fill(pictures, tmp_path / "again", 0, 26, 4)
    PicturePool(folder).check_apart(PicturePool(tmp_path / "next"))
    with pytest.raises(BadInput, match=r"again: expected other pictures than in .*, found numbers of seed 0 in both"):
        PicturePool(folder).check_apart(PicturePool(tmp_path / "again"))
    fill(pictures, tmp_path / "third", 0, 24, 4)
    shutil.copy(*(tmp_path / "third").iterdir(), tmp_path / "again")
    with pytest.raises(BadInput, match="expected other pictures than in pictures_s0_0000000"):
        len(PicturePool(tmp_path / "again"))
