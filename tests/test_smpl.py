"""A user's licensed file becomes the body that the smplx package would pose."""

import pickle
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse
import torch

from probbody.bodies.joints import MANO16, SMPL24, SMPLH52, SMPLX55, JointSet, joint_set
from probbody.bodies.landmarks import keypoint_regressors
from probbody.bodies.skinned import SkinnedBody
from probbody.bodies.smpl import cache_folder, import_smpl, smpl, validate_smpl
from probbody.errors import BadInput
from probbody.geometry.rotations import axis_angle_to_matrix
from probbody.quantities import Pose

KINDS = {"smpl": SMPL24, "smplh": SMPLH52, "smplx": SMPLX55, "mano": MANO16}
EVERY_KIND = pytest.mark.parametrize("kind", KINDS)


def arrays(joints: JointSet, vertices: int = 60, directions: int = 10) -> dict[str, Any]:
    """Random numbers in the form of the family's files."""
    rng = np.random.default_rng(len(joints))
    parents = dict((child, parent) for parent, child in joints.edges)
    weights = rng.random((vertices, len(joints))) ** 8
    regressor = rng.random((len(joints), vertices)) ** 8
    first = np.array([4294967295 if joint == 0 else parents[joint] for joint in range(len(joints))], dtype=np.uint32)
    return {
        "v_template": rng.normal(size=(vertices, 3)),
        "f": rng.integers(0, vertices, (90, 3)).astype(np.uint32),
        "weights": weights / weights.sum(1, keepdims=True),
        "kintree_table": np.stack([first, np.arange(len(joints), dtype=np.uint32)]),
        "J_regressor": regressor / regressor.sum(1, keepdims=True),
        "shapedirs": rng.normal(size=(vertices, 3, directions)) * 0.1,
        "posedirs": rng.normal(size=(vertices, 3, 9 * (len(joints) - 1))) * 0.05,
    }


def model_file(kind: str, folder: Path, suffix: str = ".pkl", **changes: Any) -> Path:
    """A file of that kind with everything that the smplx package asks for; ``None`` removes a key."""
    content = arrays(KINDS[kind], directions=20 if kind == "smplx" else 10)
    hand = {"components": np.eye(45), "mean": np.zeros(45)}
    content |= {f"hands_{key}{side}": value for key, value in hand.items() for side in ("", "l", "r")}
    content |= {"lmk_faces_idx": np.zeros(51, dtype=np.int64), "lmk_bary_coords": np.full((51, 3), 1 / 3)}
    content |= {"bs_style": "lbs", "bs_type": "lrotmin"}
    content = {key: value for key, value in (content | changes).items() if value is not None}
    path = folder / f"{kind}_model_FEMALE{suffix}"
    if suffix == ".npz":
        np.savez(path, **content)
    else:
        path.write_bytes(pickle.dumps(content, 2))
    return path


def random_pose(body: SkinnedBody, count: int = 3) -> tuple[Pose, torch.Tensor]:
    turns = torch.randn(count, len(body.parents), 3) * 0.5
    return Pose(axis_angle_to_matrix(turns), torch.randn(count, body.num_shape), torch.randn(count, 3)), turns.flatten(
        1
    )


def oracle(
    kind: str, path: Path, pose: Pose, turns: torch.Tensor, monkeypatch: pytest.MonkeyPatch
) -> tuple[torch.Tensor, torch.Tensor]:
    """Vertices and joints as the smplx package poses them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        smplx = pytest.importorskip("smplx")
        facts = {key: dict.fromkeys(ids, 0) for key, ids in smplx.body_models.VERTEX_IDS.items()}  # our mesh is small
        monkeypatch.setattr(smplx.body_models, "VERTEX_IDS", facts)
        asked = {"batch_size": len(pose), "use_pca": False, "flat_hand_mean": True}
        made = {"smpl": smplx.SMPL, "smplh": smplx.SMPLH, "smplx": smplx.SMPLX, "mano": smplx.MANO}[kind]
        model = made(str(path), ext=path.suffix[1:], is_rhand=True, **asked)
        parts = {"smpl": ["body_pose"], "mano": ["hand_pose"]}.get(kind, ["body_pose"])
        sizes = {"smpl": [69], "smplh": [63, 45, 45], "smplx": [63, 3, 3, 3, 45, 45], "mano": [45]}[kind]
        parts += ["jaw_pose", "leye_pose", "reye_pose"] if kind == "smplx" else []
        parts += ["left_hand_pose", "right_hand_pose"] if kind in ("smplh", "smplx") else []
        given = dict(zip(parts, turns[:, 3:].split(sizes, dim=1), strict=True))
        with torch.no_grad():
            posed = model(betas=pose.shape, global_orient=turns[:, :3], transl=pose.translation, **given)
    return posed.vertices, posed.joints[:, : pose.rotations.shape[1]]


@EVERY_KIND
def test_the_body_is_posed_as_by_smplx(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = model_file(kind, tmp_path, ".npz" if kind == "smplx" else ".pkl")
    body = smpl(path)
    pose, turns = random_pose(body)
    surface = body(pose)
    vertices, joints = oracle(kind, path, pose, turns, monkeypatch)
    assert (surface.vertices - vertices).abs().max() < 1e-5
    assert (surface.joints - joints).abs().max() < 1e-5
    assert body.joint_names == KINDS[kind].names
    assert "non-commercial" in body.licence


@EVERY_KIND
def test_a_copy_in_the_cache_is_the_same_body(kind: str, tmp_path: Path) -> None:
    path = model_file(kind, tmp_path, ".pkl")
    copy = import_smpl(path, tmp_path / "cache")
    assert copy.name == ("mano.npz" if kind == "mano" else f"{kind}_female.npz")
    with np.load(copy, allow_pickle=False) as archive:
        kinds = {key: archive[key].dtype.kind for key in archive.files}  # each can be read without a pickle
    assert set(kinds.values()) == {"f", "i", "U"}
    body, again = smpl(path), smpl(copy)
    pose, _ = random_pose(body)
    assert torch.allclose(body(pose).vertices, again(pose).vertices, atol=1e-6)
    assert body.licence == again.licence
    assert validate_smpl(copy) == validate_smpl(path)
    assert [file.name for file in copy.parent.iterdir()] == [copy.name]


@pytest.mark.parametrize("suffix", [".npz", ".pkl"])
def test_a_sparse_regressor_is_read(suffix: str, tmp_path: Path) -> None:
    plain = smpl(model_file("smpl", tmp_path, suffix))
    matrix = scipy.sparse.csc_matrix(arrays(SMPL24)["J_regressor"])
    sparse = smpl(model_file("smpl", tmp_path, suffix, J_regressor=matrix))
    assert torch.equal(plain.joint_template, sparse.joint_template)


@pytest.mark.parametrize(("columns", "shape"), [(400, 300), (20, 10), (16, 10)])
def test_expressions_are_not_shapes(columns: int, shape: int, tmp_path: Path) -> None:
    path = model_file("smplx", tmp_path, ".npz", shapedirs=arrays(SMPLX55, directions=columns)["shapedirs"])
    assert validate_smpl(path).num_shape == shape
    assert smpl(path).num_shape == 10
    assert smpl(path, num_shape=shape).num_shape == shape
    assert validate_smpl(import_smpl(path, tmp_path / "cache")).num_shape == shape
    with pytest.raises(BadInput, match=f"has {shape} shape directions, {shape + 1} were asked for"):
        smpl(path, num_shape=shape + 1)


def test_all_that_is_wrong_is_told_in_one_sentence(tmp_path: Path) -> None:
    path = model_file("smpl", tmp_path, J_regressor=None, posedirs=None, shapedirs=np.zeros((60, 10)))
    with pytest.raises(BadInput) as refusal:
        smpl(path)
    message = str(refusal.value)
    assert message.startswith(f"{path}: ")
    assert "lacks J_regressor, posedirs; shapedirs should have the shape (60, 3, any), but has (60, 10)" in message
    assert validate_smpl(path).missing == ("J_regressor", "posedirs")
    with pytest.raises(BadInput, match="lacks"):
        import_smpl(path, tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"v_template": None, "weights": None}, "lacks v_template, weights"),
        ({"weights": np.full((60, 5), 0.2)}, r"24 \(SMPL\), .* but are for 5"),
        ({"weights": np.ones(())}, r"weights should be for .* but are for 0"),
        ({"v_template": np.ones(3)}, r"v_template should have the shape \(3, 3\)"),
        ({"v_template": "text"}, "lacks v_template"),
        ({"posedirs": np.zeros((60, 3, 9))}, r"\(60, 3, 207\), but has \(60, 3, 9\)"),
        ({"kintree_table": np.zeros((2, 20), dtype=np.uint32)}, r"kintree_table should have the shape \(2, 24\)"),
        ({"kintree_table": np.full((2, 24), 23)}, "each parent before its children"),
        ({"f": np.zeros((4, 4), dtype=np.uint32)}, r"f should have the shape \(any, 3\)"),
        ({"f": np.full((4, 3), 60)}, "f should name vertices 0 to 59, but names 60"),
        ({"f": np.array([[-1, 0, 1]])}, "f should name vertices 0 to 59, but names -1"),
        ({"v_template": np.full((60, 3), "text")}, "lacks v_template"),
        ({"num_shape": np.array([5, 5])}, "num_shape should be one whole number, but is"),
        ({"num_shape": np.array(-1)}, "num_shape should be one whole number, but is -1"),
        ({"num_shape": np.array(np.nan)}, "num_shape should be one whole number, but is nan"),
        (
            {"J_regressor": scipy.sparse.coo_matrix((60_000, 60_000))},
            r"found a sparse matrix of the shape \(60000, 60000\)",
        ),
        ({"shapedirs": np.full((60, 3, 10), np.nan)}, "shapedirs should be finite"),
        ({"weights": np.full((60, 24), 0.1)}, "weights should sum to 1 for each vertex, but one sums to 2.4"),
    ],
)
def test_a_wrong_array_is_named(changes: dict[str, Any], told: str, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=told) as refusal:
        smpl(model_file("smpl", tmp_path, **changes))
    assert "smpl_model_FEMALE.pkl" in str(refusal.value)


@pytest.mark.parametrize(
    ("regressor", "told"),
    [
        (np.full((17, 60), np.nan), "finite numbers, found NaN"),
        (np.full((17, 60), "a"), r"found \(17, 60\) of <U1"),
        (np.zeros((17, 59)), r"found \(17, 59\)"),
    ],
)
def test_a_wrong_published_regressor_is_refused(regressor: np.ndarray, told: str, tmp_path: Path) -> None:
    np.save(tmp_path / "h36m.npy", regressor)
    with pytest.raises(BadInput, match=told):
        smpl(model_file("smpl", tmp_path), h36m=tmp_path / "h36m.npy")


def test_an_archive_is_no_published_regressor(tmp_path: Path) -> None:
    np.savez(tmp_path / "h36m.npz", a=np.zeros((17, 60)))
    with pytest.raises(BadInput, match="found an archive of several"):
        smpl(model_file("smpl", tmp_path), h36m=tmp_path / "h36m.npz")


def test_another_file_is_told_apart(tmp_path: Path) -> None:
    (tmp_path / "list.pkl").write_bytes(pickle.dumps([1, 2]))
    with pytest.raises(BadInput, match="expected a dictionary of arrays as SMPL files hold, found list"):
        smpl(tmp_path / "list.pkl")
    with pytest.raises(BadInput, match="cannot be read"):
        validate_smpl(tmp_path / "none.npz")


@pytest.mark.parametrize(
    ("name", "variant"),
    [("SMPL_NEUTRAL.pkl", "neutral"), ("basicmodel_f_lbs_10_207_0_v1.0.0.pkl", "female"), ("model.pkl", "")],
)
def test_the_variant_is_read_from_the_name(name: str, variant: str, tmp_path: Path) -> None:
    path = model_file("smpl", tmp_path).rename(tmp_path / name)
    assert validate_smpl(path).variant == variant
    hand = model_file("mano", tmp_path).rename(tmp_path / "MANO_RIGHT.pkl")
    assert validate_smpl(hand).variant == "right"


def test_the_cache_follows_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PROBBODY_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder() == tmp_path / "xdg" / "probbody"
    monkeypatch.setenv("PROBBODY_CACHE", str(tmp_path / "own"))
    assert import_smpl(model_file("smpl", tmp_path)) == tmp_path / "own" / "smpl_female.npz"


BODIES = [(SMPL24, 6890), (SMPLH52, 6890), (SMPLX55, 10475)]
LAYOUTS = ("coco17", "openpose25", "body25b", "h36m17", "h36m17_mmpose", "h36m14", "smpl24")


@pytest.mark.parametrize(("joints", "vertices"), BODIES, ids=["smpl", "smplh", "smplx"])
def test_keypoints_lie_on_the_body(joints: JointSet, vertices: int) -> None:
    template = np.random.default_rng(0).normal(size=(vertices, 3))
    found = keypoint_regressors(joints, template)
    assert set(LAYOUTS) | {joints.name} == set(found)
    everything = np.concatenate([np.random.default_rng(1).normal(size=(len(joints), 3)), template])
    for layout, regressor in found.items():
        names = joint_set(layout).names
        assert torch.allclose(regressor.weights.sum(1), torch.ones(len(names)))
        points = dict(
            zip(names, regressor.weights.double() @ torch.from_numpy(everything)[regressor.columns], strict=True)
        )
        for name in set(names) & set(joints.names):
            assert torch.allclose(points[name], torch.from_numpy(everything[joints.names.index(name)]))
        if "head_top" in names:
            assert points["head_top"][1] == template[:, 1].max()


def test_the_vertices_are_those_of_the_smplx_package() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        facts = pytest.importorskip("smplx.vertex_ids").vertex_ids
    words = {"reye": "right_eye", "leye": "left_eye", "rear": "right_ear", "lear": "left_ear", "nose": "nose"}
    words |= {f"{s[0].upper()}{own}": f"{s}_{name}" for s in ("left", "right") for own, name in
              (("BigToe", "big_toe"), ("SmallToe", "small_toe"), ("Heel", "heel"))}  # fmt: skip
    for kind, joints, vertices in (("smplh", SMPL24, 6890), ("smplx", SMPLX55, 10475)):
        regressor = keypoint_regressors(joints, np.zeros((vertices, 3)))["openpose25"]
        for word, name in words.items():
            row = regressor.weights[joint_set("openpose25").index(name)]
            assert int(regressor.columns[int(row.argmax())]) == len(joints) + facts[kind][word]


def test_a_mesh_of_another_size_has_joints_alone(tmp_path: Path) -> None:
    body = smpl(model_file("smpl", tmp_path))
    assert set(body.regressors) == {"smpl24", "h36m14"}
    assert set(smpl(model_file("mano", tmp_path)).regressors) == {"mano16"}
    with pytest.raises(BadInput, match="coco17"):
        body.reduced("coco17")


def test_the_published_regressor_replaces_the_approximate_one(tmp_path: Path) -> None:
    published = np.zeros((17, 60))
    published[range(17), range(17)] = 1
    np.save(tmp_path / "J_regressor_h36m.npy", published)
    body = smpl(model_file("smpl", tmp_path), h36m=tmp_path / "J_regressor_h36m.npy")
    surface = body(random_pose(body)[0])
    assert torch.equal(body.keypoints(surface, "h36m17"), surface.vertices[:, :17])
    chosen = [6, 5, 4, 1, 2, 3, 16, 15, 14, 11, 12, 13, 8, 10]
    assert torch.equal(body.keypoints(surface, "h36m14"), surface.vertices[:, chosen])
    assert torch.equal(body.keypoints(surface, "h36m17_mmpose")[:, 1], surface.vertices[:, 4])
    np.save(tmp_path / "J_regressor_h36m.npy", published[:, 1:])
    with pytest.raises(BadInput, match=r"expected a \(17, 60\) array, found \(17, 59\)"):
        smpl(model_file("smpl", tmp_path), h36m=tmp_path / "J_regressor_h36m.npy")
