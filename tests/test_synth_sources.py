"""What pictures are drawn from: chances, poses, backdrops, things, lenses."""

import copy
from pathlib import Path

import pytest
import torch
from PIL import Image
from scipy import stats

from probbody.bodies.open_body import open_body
from probbody.errors import BadInput
from probbody.geometry.cameras import PinholeCamera
from probbody.geometry.rest import at_rest
from probbody.geometry.rotations import axis_angle_to_matrix, geodesic_angle
from probbody.priors.shipped import mixture_prior, vae_prior
from probbody.quantities import Pose
from probbody.render.hits import look
from probbody.synth.backdrops import Backdrops, MixedBackdrops, PhotographBackdrops
from probbody.synth.chances import Chances
from probbody.synth.dimness import Bulk
from probbody.synth.figure import Figure
from probbody.synth.lens import taken
from probbody.synth.occluders import drawn_things
from probbody.synth.poses import CapturedPoses, PriorPoses
from probbody.synth.scanlines import is_closed, scanned
from probbody.synth.scenery import DrawnBackdrops
from probbody.synth.skirts import Skirt


def chances(count: int, seed: int = 0) -> Chances:
    return Chances.of(seed, torch.arange(count))


def test_chances_of_a_picture_do_not_depend_on_others() -> None:
    every, some = chances(50).about("hair"), Chances.of(0, torch.tensor([7, 49])).about("hair")
    assert torch.equal(every.uniform(3, 2)[[7, 49]], some.uniform(3, 2))
    assert torch.equal(every.normal(4)[[7, 49]], some.normal(4))
    rows = torch.tensor([2, 40])
    assert torch.equal(chances(50)[rows].uniform(5), chances(50).uniform(5)[rows])


@pytest.mark.parametrize("kind", [torch.int32, torch.int16])
def test_chances_do_not_depend_on_how_numbers_are_kept(kind: torch.dtype) -> None:
    short = Chances.of(3, torch.arange(50, dtype=kind)).about("hair")
    assert torch.equal(short.keys, chances(50, 3).about("hair").keys)
    assert torch.equal(short.uniform(3), chances(50, 3).about("hair").uniform(3))


def test_streams_do_not_depend_on_what_others_have_drawn() -> None:
    first, second = chances(3), chances(3)
    second.uniform(100)
    assert torch.equal(first.about("a").uniform(4), second.about("a").uniform(4))
    assert not torch.equal(first.about("a").uniform(4), first.about("b").uniform(4))
    assert not torch.equal(chances(3, 1).uniform(4), chances(3, 0).uniform(4))


def test_chances_are_uniform_and_normal_along_pictures_and_along_streams() -> None:
    along, across = chances(20_000).uniform(1)[:, 0], chances(1).uniform(20_000)[0]
    for values in (along, across):
        assert stats.kstest(values.numpy(), "uniform").pvalue > 1e-3
        assert abs(float(torch.corrcoef(torch.stack([values[1:], values[:-1]]))[0, 1])) < 0.02
    normal = chances(20_000).normal(1, most=8.0)[:, 0]
    assert stats.kstest(normal.numpy(), "norm").pvalue > 1e-3
    assert float(chances(20_000).normal(1, most=2.0).abs().max()) == 2.0
    assert float(chances(20_000).uniform(1, low=-3.0, high=-1.0).max()) < -1


def test_one_of_several_comes_as_often_as_its_weight_says() -> None:
    counts = torch.bincount(chances(20_000).one_of([1.0, 0.0, 3.0]), minlength=3) / 20_000
    torch.testing.assert_close(counts, torch.tensor([0.25, 0.0, 0.75]), atol=0.01, rtol=0)
    assert abs(float(chances(20_000).whether(0.3).float().mean()) - 0.3) < 0.01


def test_captured_poses_come_as_often_as_their_chances_say() -> None:
    angles = torch.tensor([[[0.0, 0, 0], [0, 0, 0]], [[1.0, 0, 0], [0, 1, 0]]])
    drawn = CapturedPoses(angles, torch.tensor([1.0, 3.0]), trembling=0.01).draw(chances(4000))
    assert drawn.dtype == torch.float64
    far = geodesic_angle(drawn, axis_angle_to_matrix(angles[1].double()).expand_as(drawn))
    assert abs(float((far[:, 0] < 0.1).float().mean()) - 0.75) < 0.03
    assert float(far[far[:, 0] < 0.1].mean()) > 0.005  # trembling


@pytest.mark.parametrize("prior", [vae_prior, mixture_prior])
def test_poses_of_a_prior_do_not_depend_on_those_drawn_beside_them(prior) -> None:  # type: ignore[no-untyped-def]
    poses = PriorPoses(prior())
    every, alone = poses.draw(chances(9)), poses.draw(Chances.of(0, torch.tensor([6])))
    assert every.shape == (9, 21, 3, 3)
    torch.testing.assert_close(alone[0], every[6], atol=1e-12, rtol=0)
    assert float((every[0] - every[1]).abs().max()) > 0.01


def test_poses_of_a_prior_leave_the_random_numbers_of_gpus_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    prior, seeded = mixture_prior(), []
    with torch.random.fork_rng(devices=[]):
        codes = []
        for number in chances(3).integers():
            torch.manual_seed(number)
            codes.append(prior.code().sample())
    monkeypatch.setattr(torch.cuda, "manual_seed_all", seeded.append)
    drawn = PriorPoses(prior).draw(chances(3))
    assert not seeded
    with torch.no_grad():
        assert torch.equal(drawn, copy.deepcopy(prior).decode(torch.stack(codes).double()).double())


def test_poses_that_cannot_be_are_refused() -> None:
    with pytest.raises(ValueError, match="a chance for each of some frames"):
        CapturedPoses(torch.zeros(0, 2, 3), torch.zeros(0))
    with pytest.raises(ValueError, match="finite angles and chances"):
        CapturedPoses(torch.full((3, 2, 3), torch.nan), torch.ones(3))
    with pytest.raises(ValueError, match="finite angles and chances"):
        CapturedPoses(torch.zeros(3, 2, 3), torch.zeros(3))
    for trembling in (torch.nan, torch.inf, -0.1):
        with pytest.raises(ValueError, match="a finite trembling of at least 0"):
            CapturedPoses(torch.zeros(3, 2, 3), torch.ones(3), trembling=trembling)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "below").mkdir()
    for name, colour in (("a.png", (255, 0, 0)), ("below/b.jpg", (0, 255, 0)), ("c.PNG", (0, 0, 255))):
        Image.new("RGB", (90, 60), colour).save(tmp_path / name)
    (tmp_path / "notes.txt").write_text("no picture")
    return tmp_path


def test_photographs_of_a_folder_are_backdrops(folder: Path) -> None:
    photographs = PhotographBackdrops.of_folder(folder)
    assert len(photographs) == 3
    assert len(PhotographBackdrops.of_folder(folder, without=("a", "c"))) == 1
    assert len(PhotographBackdrops.of_folder(folder, only=("b",))) == 1
    drawn = photographs.draw(chances(24), (20, 30))
    assert drawn.shape == (24, 3, 20, 30)
    assert bool(((drawn >= 0) & (drawn <= 1)).all())
    strongest = drawn.mean((2, 3)).argmax(-1)
    assert strongest.unique().tolist() == [0, 1, 2]


def test_a_folder_without_photographs_is_refused_in_a_sentence(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"nowhere: expected a folder of photographs, found none there\."):
        PhotographBackdrops.of_folder(tmp_path / "nowhere")
    with pytest.raises(BadInput, match="expected photographs"):
        PhotographBackdrops.of_folder(folder, only=("z",))
    (folder / "broken.png").write_bytes(b"\x89PNG nothing")
    with pytest.raises(BadInput, match=r"broken\.png: expected a picture"):
        PhotographBackdrops.of_folder(folder)


class Plain(Backdrops):
    """One grey everywhere."""

    def __init__(self, grey: float) -> None:
        self.grey = grey

    def draw(self, chances: Chances, size: tuple[int, int]) -> torch.Tensor:
        return torch.full((len(chances), 3, *size), self.grey)


def test_mixed_backdrops_come_as_often_as_their_weights_say() -> None:
    drawn = MixedBackdrops((Plain(0.2), Plain(0.8)), (1.0, 3.0)).draw(chances(2000), (2, 2))
    assert abs(float((drawn[:, 0, 0, 0] > 0.5).float().mean()) - 0.75) < 0.04
    with pytest.raises(ValueError, match="a finite weight of at least 0 for each source"):
        MixedBackdrops((Plain(0.2),), (1.0, 2.0))
    for weight in (torch.nan, torch.inf, -1.0):
        for weights in ((weight, 1.0), (1.0, weight)):
            with pytest.raises(ValueError, match="a finite weight of at least 0 for each source"):
                MixedBackdrops((Plain(0.2), Plain(0.8)), weights)


@pytest.mark.parametrize("size", [(64, 64), (40, 96)])
def test_drawn_backdrops_differ_and_do_not_depend_on_others(size: tuple[int, int]) -> None:
    every, alone = (
        DrawnBackdrops().draw(chances(8), size),
        DrawnBackdrops().draw(Chances.of(0, torch.tensor([5])), size),
    )
    assert every.shape == (8, 3, *size)
    assert torch.equal(every[5], alone[0])
    assert float(every.std(0).mean()) > 0.1
    assert bool(((every >= 0) & (every <= 1)).all())


def test_things_cover_some_of_the_box_that_they_are_drawn_over() -> None:
    box = torch.tensor([[20.0, 5, 44, 60]]).expand(60, 4)
    colours, opacity = drawn_things(chances(60), box, (64, 64))
    assert colours.shape == (60, 3, 64, 64)
    share = (opacity[:, 5:60, 20:44] > 0.5).float().mean((1, 2))
    assert float((share > 0.02).float().mean()) > 0.8
    assert 0.15 < float(share.mean()) < 0.6
    assert torch.equal(drawn_things(chances(60)[torch.tensor([31])], box[:1], (64, 64))[1][0], opacity[31])


@pytest.mark.parametrize("size", [(48, 64), (300, 260)])
def test_lenses_change_pictures_a_little_each_in_its_own_way(size: tuple[int, int]) -> None:
    picture = torch.nn.functional.interpolate(torch.rand(1, 3, 6, 6), size, mode="bilinear").expand(12, 3, *size)
    shot = taken(picture, chances(12))
    assert shot.shape == picture.shape
    assert bool(((shot >= 0) & (shot <= 1)).all())
    assert 0.005 < float((shot - picture).abs().mean()) < 0.25
    assert float((shot[0] - shot[1]).abs().mean()) > 1e-3
    assert torch.equal(taken(picture[:1], chances(12)[torch.tensor([7])])[0], shot[7])


def test_scanned_bodies_are_those_that_are_drawn_in_boxes() -> None:
    body = open_body()
    pose = PriorPoses(vae_prior()).draw(chances(3)).float()
    rotations = torch.eye(3).repeat(3, 24, 1, 1)
    rotations[:, 1:22] = pose
    rotations[:, 0] = torch.diag(torch.tensor([1.0, -1, -1]))
    surface = body(Pose(rotations, torch.zeros(3, 10), torch.tensor([[0.0, 0, 3], [0.3, 0, 2], [0, -0.5, 1.2]])))
    camera = PinholeCamera.looking_ahead(110.0, (90, 120), 3)
    boxes, lines = look(surface, camera, 1), scanned(surface, camera, len(body.faces))
    assert is_closed(body.faces)
    assert not is_closed(body.faces[1:])
    first, second = (torch.full((3 * 90 * 120,), -1) for _ in range(2))
    first[boxes.place], second[lines.place] = boxes.face, lines.face
    assert int((first != second).sum()) <= 3  # where two surfaces touch, or an edge runs through a centre
    same = boxes.face[torch.isin(boxes.place, lines.place)] == lines.face[torch.isin(lines.place, boxes.place)]
    here, there = (hits.depth[torch.isin(hits.place, other.place)] for hits, other in ((boxes, lines), (lines, boxes)))
    torch.testing.assert_close(here[same], there[same])
    torch.testing.assert_close(lines.shares.sum(-1), torch.ones(len(lines.place)))


def test_an_arm_before_the_lamp_dims_the_chest() -> None:
    """One vertex with a ball between it and the lamp, one beside, one in the ball."""
    bulk = Bulk(torch.zeros(3, dtype=torch.long), 1)
    points = torch.tensor([[[0.0, 0, 0], [1.0, 0, 0], [0.0, 0.5, 0]]])
    normals = torch.tensor([[[0.0, 1, 0]]]).expand(1, 3, 3)
    ball = (torch.tensor([[[0.0, 0.5, 0]]]), torch.tensor([[0.1]]))
    lamp, around = bulk.dimmed(points, normals, torch.tensor([[0.0, 1, 0]]), ball)
    torch.testing.assert_close(lamp, torch.tensor([[0.0, 1, 1]]))
    torch.testing.assert_close(
        around, torch.tensor([[1 - 0.8 * 0.04, 1 - 0.8 * 0.04 / 5 * 0.2**0.5, 1]]), atol=1e-3, rtol=0
    )


def test_a_skirt_goes_around_both_legs_and_is_gone_where_nobody_wears_one() -> None:
    body = open_body()
    skirt = Skirt.around(body, Figure.of(body))
    surface = at_rest(body).vertices.expand(2, -1, -1)
    side, front = (torch.tensor([[axis == 0, 0, axis == 2]]).float().expand(2, 3) for axis in (0, 2))
    worn, wide = torch.tensor([True, False]), torch.tensor([0.1, 0.1])
    vertices, holder, rest = skirt.vertices(surface, side, front, torch.tensor([0.6, 0.6]), wide, worn)
    rings = vertices[:, surface.shape[1] :]
    assert bool((rings[1] == surface[1, 0]).all())
    knee = surface[0, (surface[0, :, 1] + 0.45).abs() < 0.1]
    hem = rings[0, -24:]
    assert hem[:, 0].max() > knee[:, 0].max()
    assert hem[:, 2].min() < knee[:, 2].min()
    assert float(hem.norm(dim=-1).max()) < 1
    assert vertices.shape[:2] == holder.shape == rest.shape[:2]
    assert int(skirt.faces.max()) == vertices.shape[1] - 1
