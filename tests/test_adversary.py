"""The worst patch is the worst of all, and can be pasted again to the pixel."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from probbody.adversary.damage import Damage, JointError, VisibleJointError
from probbody.adversary.patches import PatchGrid, covered, pasted
from probbody.adversary.record import WorstPatches, read_patches
from probbody.adversary.search import Attack, texture_number
from probbody.adversary.targets import Targets
from probbody.adversary.textures import PlainTexture, ProceduralTextures, TextureFolder, Textures
from probbody.errors import BadInput
from probbody.metrics.alignments import Procrustes, Rooted
from probbody.metrics.joints import mpjpe

SIZE, JOINTS = (40, 40), 6


class Finder:
    """Joints as a fixed linear function of a picture's coarse colours; counts the pictures that it saw."""

    def __init__(self) -> None:
        self.weights = torch.randn(3 * 8 * 8, JOINTS * 3)
        self.seen = 0

    def __call__(self, images: Tensor) -> Tensor:
        self.seen += len(images)
        coarse = torch.nn.functional.avg_pool2d(images, (images.shape[2] // 8, images.shape[3] // 8)).flatten(1)
        return (coarse @ self.weights).unflatten(1, (JOINTS, 3)) / 30


def people(count: int = 3, size: tuple[int, int] = SIZE) -> Targets:
    spot = torch.tensor([size[1], size[0]]) * torch.rand(count, JOINTS, 2)
    names = tuple(f"video/{number:03d}" for number in range(count))
    return Targets(torch.rand(count, 3, *size), torch.randn(count, JOINTS, 3), spot, names)


def by_brute_force(attack: Attack, method: Finder, targets: Targets, number: int) -> tuple[int, float]:
    """The worst place and its error, without batches, grids of boxes or masks of joints."""
    height, width = targets.size
    scale = max(targets.size) / attack.grid.frame
    side, step = int(attack.grid.side * scale + 0.5), int(attack.grid.stride * scale + 0.5)
    rows = [row * step for row in range(attack.grid.shape(targets.size)[0])]
    columns = [column * step for column in range(attack.grid.shape(targets.size)[1])]
    best, place = (-1, -1.0), 0
    for top in rows:
        for left in columns:
            image = targets.images[number].clone()
            texture = attack.textures(texture_number(targets.names[number], place), side).float() / 255
            seen = []
            for v in range(top, min(top + side, height)):
                for u in range(left, min(left + side, width)):
                    image[:, v, u] = texture[:, v - top, u - left]
            for u, v in targets.pixels[number].tolist():
                inside = left < u < left + side and top < v < top + side
                seen.append(not inside and 0 <= u < width and 0 <= v < height)
            error = float(mpjpe(method(image[None]), targets.joints[number : number + 1], torch.tensor([seen])))
            best = max(best, (place, error), key=lambda pair: pair[1])
            place += 1
    return best


@pytest.mark.parametrize("size", [(320, 320), (224, 224), (192, 192), (100, 100), (256, 192), (40, 40)])
def test_the_grid_is_the_published_one_in_a_frame_of_224_and_scales_with_the_picture(size: tuple[int, int]) -> None:
    for side, count in ((40, 20), (80, 16)):
        grid = PatchGrid(side)
        boxes = grid.boxes(size)
        down, across = grid.shape(size)
        assert max(down, across) == count
        assert size[0] != size[1] or down == across
        assert len(boxes) == down * across
        assert (boxes[:, :2] >= 0).all()
        assert (boxes[:, 2] <= size[1]).all()
        assert (boxes[:, 3] <= size[0]).all()
        assert (boxes[:, 2:] > boxes[:, :2]).all()
        patch = torch.zeros(size)
        for left, top, right, bottom in boxes.tolist():
            patch[top:bottom, left:right] = 1
        assert patch.mean() > 0.95


def test_the_grid_at_320_pixels_is_that_of_the_released_code() -> None:
    for side, pixels in ((40, 57), (80, 114)):
        grid = PatchGrid(side)
        assert grid.pixels((320, 320)) == pixels
        assert grid.boxes((320, 320))[:3].tolist() == [[14 * n, 0, 14 * n + pixels, pixels] for n in range(3)]
    with pytest.raises(ValueError, match="too small"):
        PatchGrid(40).boxes((9, 9))
    with pytest.raises(ValueError, match="stride <= side < frame"):
        PatchGrid(300)


def test_joints_strictly_inside_are_covered() -> None:
    box = torch.tensor([[10, 20, 30, 40]])
    points = torch.tensor([[10.0, 30.0], [10.5, 30.0], [29.9, 39.9], [20.0, 40.0], [5.0, 5.0]])
    assert covered(box, points).tolist() == [[False, True, True, False, False]]


@pytest.mark.parametrize("textures", [ProceduralTextures(5), PlainTexture()], ids=["drawn", "plain"])
def test_the_search_is_brute_force(textures: Textures) -> None:
    attack, method, targets = Attack(PatchGrid(80, 40), textures), Finder(), people(2)
    worst = attack.search(method, targets, at_once=7)
    for number, patch in enumerate(worst.patches):
        place, error = by_brute_force(attack, method, targets, number)
        assert patch.error == pytest.approx(error, abs=2e-3)
        assert list(patch.box) == attack.grid.boxes(SIZE)[place].tolist()


def test_any_number_of_pictures_at_once_and_any_company_give_the_same() -> None:
    attack, method, targets = Attack(PatchGrid(80, 30)), Finder(), people(3)
    whole = attack.search(method, targets, at_once=64)
    for at_once in (1, 11, 1000):
        assert attack.search(method, targets, at_once=at_once) == whole
    last = Targets(targets.images[2:], targets.joints[2:], targets.pixels[2:], targets.names[2:])
    assert attack.search(method, last).patches == whole.patches[2:]


@pytest.mark.parametrize("size", [(40, 40), (64, 48), (33, 57)])
@pytest.mark.parametrize(
    "damage",
    [VisibleJointError(), VisibleJointError(Procrustes()), JointError(Rooted((1, 2)))],
    ids=["mpjpe", "pa", "all"],
)
def test_what_is_stored_is_replayed_to_the_pixel_with_the_same_error(
    size: tuple[int, int], damage: Damage, tmp_path: Path
) -> None:
    attack, method, targets = Attack(PatchGrid(40, 40), damage=damage), Finder(), people(3, size)
    shown: list[Tensor] = []

    def watched(images: Tensor) -> Tensor:
        shown.append(images.clone())
        return method(images)

    attack.search(watched, targets, path=tmp_path / "worst.json")
    kept = read_patches(tmp_path / "worst.json")
    replayed = attack.replayed(kept, targets)
    assert replayed.counted is not None
    searched = torch.cat(shown)
    for number, patch in enumerate(kept.patches):
        assert (searched == replayed.images[number]).flatten(1).all(1).any()
        found = method(replayed.images[number : number + 1])
        truth, seen = targets.joints[number : number + 1], replayed.counted[number : number + 1]
        assert float(damage(found, truth, seen, torch.ones_like(seen))) == patch.error


@pytest.mark.parametrize("unknown", [0.0, torch.nan])
def test_joints_without_a_truth_do_no_damage(unknown: float) -> None:
    targets = people(2)
    known = torch.ones(targets.pixels.shape[:2], dtype=torch.bool)
    known[:, -1] = False
    truth = torch.where(known.unsqueeze(-1), targets.joints, unknown)
    attack = Attack(PatchGrid(80, 40), damage=JointError())
    names, pixels = targets.names, targets.pixels
    found = attack.search(lambda images: targets.joints[:1].expand(len(images), -1, -1),
                          Targets(targets.images[:1], truth[:1], pixels[:1], names[:1], known[:1]))  # fmt: skip
    assert found.patches[0].clean == 0.0


def test_a_search_that_was_cut_off_goes_on_and_ends_the_same(tmp_path: Path) -> None:
    attack, method, targets, path = Attack(PatchGrid(80, 40)), Finder(), people(4), tmp_path / "worst.json"
    whole = attack.search(method, targets)
    seen = method.seen

    class Killed(Exception):
        pass

    def stop(done: int, total: int) -> None:
        assert total == 4
        if done == 2:
            raise Killed

    with pytest.raises(Killed):
        attack.search(method, targets, path=path, progress=stop)
    assert len(read_patches(path)) == 2
    method.seen = 0
    steps: list[int] = []
    assert attack.search(method, targets, path=path, progress=lambda done, total: steps.append(done)) == whole
    assert steps == [3, 4]
    assert method.seen < 0.6 * seen
    assert read_patches(path) == whole


def test_patches_found_elsewhere_are_not_searched_for_again(tmp_path: Path) -> None:
    attack, method, targets, path = Attack(PatchGrid(80, 40)), Finder(), people(3), tmp_path / "worst.json"
    whole = attack.search(method, targets)
    seen = method.seen
    known = WorstPatches(whole.protocol, (whole.patches[2], whole.patches[0]))
    method.seen = 0
    assert attack.search(method, targets, known=known) == whole
    assert method.seen < 0.4 * seen
    assert attack.search(method, targets, path=path, known=known) == whole
    assert read_patches(path).of(targets.names) == whole
    there = path.read_bytes()
    nonsense = WorstPatches({"side": 40}, ())
    assert attack.search(method, targets, path=path, known=nonsense) == whole  # what is there is enough
    assert path.read_bytes() == there

    strangers = Targets(1 - targets.images, targets.joints, targets.pixels, targets.names)
    for refused, shown, told in ((nonsense, targets, "patches: expected"), (known, strangers, "expected the picture")):
        with pytest.raises(BadInput, match=told):
            attack.search(method, shown, path=tmp_path / "new.json", known=refused)
    assert not (tmp_path / "new.json").exists()


def test_results_of_another_protocol_picture_or_method_are_not_gone_on_with(tmp_path: Path) -> None:
    attack, method, targets, path = Attack(PatchGrid(80, 40)), Finder(), people(2), tmp_path / "worst.json"
    worst = attack.search(method, targets, path=path)
    for other in (
        Attack(PatchGrid(80, 50)),
        Attack(PatchGrid(80, 40), ProceduralTextures(seed=9)),
        Attack(PatchGrid(80, 40), damage=JointError()),
    ):
        with pytest.raises(BadInput, match="patches: expected"):
            other.search(method, targets, path=path)
        with pytest.raises(BadInput, match="patches: expected"):
            other.replayed(worst, targets)
    strangers = Targets(1 - targets.images, targets.joints, targets.pixels, targets.names)
    with pytest.raises(BadInput, match="expected the picture"):
        attack.search(method, strangers, path=path)
    with pytest.raises(BadInput, match="expected the picture"):
        attack.replayed(worst, strangers)
    with pytest.raises(BadInput, match="method: expected the one"):
        attack.search(Finder(), targets, path=path)
    more = Targets(targets.images, targets.joints, targets.pixels, ("video/000", "new"))
    with pytest.raises(BadInput, match="none for new"):
        attack.replayed(worst, more)


@pytest.mark.parametrize("harm", ["", "{", '{"protocol": {}}', '{"protocol": {"a": 1}, "patches": []}', "[1]"])
def test_a_broken_file_is_refused_in_a_sentence(harm: str, tmp_path: Path) -> None:
    (tmp_path / "worst.json").write_text(harm)
    with pytest.raises(BadInput, match=r"worst\.json: expected"):
        read_patches(tmp_path / "worst.json")
    with pytest.raises(BadInput, match="cannot be read"):
        read_patches(tmp_path / "none.json")


def test_a_box_that_is_none_is_refused(tmp_path: Path) -> None:
    attack, method, targets, path = Attack(PatchGrid(80, 60)), Finder(), people(1), tmp_path / "worst.json"
    attack.search(method, targets, path=path)
    content = json.loads(path.read_text())
    content["patches"][0]["box"] = [5, 5, 2, 9]
    path.write_text(json.dumps(content))
    with pytest.raises(BadInput, match="box"):
        read_patches(path)


def test_a_method_that_gives_no_answer_is_named() -> None:
    attack, targets = Attack(PatchGrid(80, 60)), people(2)
    with pytest.raises(BadInput, match=r"expected joints of shape \(\d+, 6, 3\)"):
        attack.search(lambda images: torch.zeros(len(images), JOINTS + 1, 3), targets)
    with pytest.raises(BadInput, match="NaN or infinity for video/000"):
        attack.search(lambda images: torch.full((len(images), JOINTS, 3), torch.nan), targets)
    with pytest.raises(BadInput, match="different names"):
        Targets(targets.images, targets.joints, targets.pixels, ("same", "same"))


def test_a_picture_without_enough_joints_is_refused_and_one_with_few_avoids_hiding_them() -> None:
    targets = people(1)
    counted = torch.zeros(1, JOINTS, dtype=torch.bool)
    counted[0, :3] = True
    few = Targets(targets.images, targets.joints, targets.pixels, targets.names, counted)
    attack = Attack(PatchGrid(40, 40), damage=VisibleJointError(Procrustes()))
    with pytest.raises(BadInput, match="where the damage can be told"):
        attack.search(Finder(), few)


def test_textures_are_known_by_their_number() -> None:
    drawn = ProceduralTextures(seed=1, count=50)
    for index in range(25):
        texture = drawn(index, 24)
        assert texture.dtype == torch.uint8
        assert torch.equal(texture, drawn(index, 24))
        assert texture.float().std() > 3, "a texture is more than one colour"
    assert torch.equal(drawn(3, 24), drawn(53, 24))
    assert not torch.equal(drawn(3, 24), drawn(4, 24))
    assert not torch.equal(drawn(3, 24), ProceduralTextures(seed=2, count=50)(3, 24))
    pasted(torch.zeros(3, 30, 30), torch.tensor([[0, 0, 24, 24]]), [drawn(3, 24)])
    assert torch.equal(drawn(3, 24), ProceduralTextures(seed=1, count=50)(3, 24)), "pasting changes no texture"


def test_a_folder_of_textures_is_known_by_what_is_in_it(tmp_path: Path) -> None:
    chance = np.random.default_rng(0)
    for name in ("b.png", "a.jpg", "deep/c.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.fromarray(chance.integers(0, 255, (50, 70, 3), dtype=np.uint8)).save(tmp_path / name)
    textures = TextureFolder(tmp_path)
    assert torch.equal(textures(4, 20), TextureFolder(tmp_path)(4, 20))
    assert textures(4, 20).shape == (3, 20, 20)
    assert len({textures(index, 20).float().mean().item() for index in range(12)}) == 12
    Attack(PatchGrid(80, 60), textures).search(Finder(), people(1))
    (tmp_path / "d.png").write_bytes((tmp_path / "b.png").read_bytes())
    assert TextureFolder(tmp_path).card() != textures.card()
    with pytest.raises(BadInput, match="expected a folder with textures"):
        TextureFolder(tmp_path / "none")
