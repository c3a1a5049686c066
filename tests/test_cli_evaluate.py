"""``probbody eval`` and ``probbody adv-occ`` from a shell: what they leave behind, and what they refuse."""

import csv
import json
from pathlib import Path

import pytest
import torch
from PIL import Image

from probbody.adversary import read_patches
from probbody.extractors.shipped import save_features
from probbody.features import CircleDirections, SigmoidDirections
from probbody.inference.cli import parts as parts_named
from probbody.inference.cli.methods import METHODS, Workshop, rebinned, without_directions
from probbody.inference.cli.paper_rows import LEARNT_OTHERWISE, TABLES, lacking
from probbody.inference.evaluate.results import read_results
from tests.conftest import Ask
from tests.evaluation_scenes import untaught

FEW = ("--set", "small", "--pictures", "2", "--steps", "2", "--at-once", "2")


@pytest.fixture(scope="module")
def features(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("features") / "tiny.safetensors"
    save_features(path, untaught())
    return path


def test_methods_are_measured_and_told_of(ask: Ask, features: Path, tmp_path: Path) -> None:
    words = ("eval", "--features", features, *FEW, "--condition", "clean", "--method", "regressor", "--method", "nbv")
    code, out, _ = ask(*words, "--out", tmp_path / "one")
    assert code == 0
    assert "SynthOcc-small, first 2" in out
    assert "3DNBF" in out
    held = json.loads((tmp_path / "one" / "results.json").read_text())
    assert [one["method"] for one in held["results"]] == ["regressor", "3DNBF"]
    assert held["versions"]["torch"] == torch.__version__
    assert out.startswith(f"protocol {held['protocol']['hash']}")
    with open(tmp_path / "one" / "results.csv", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert {row["method"] for row in rows} == {"regressor", "3DNBF"}
    assert (tmp_path / "one" / "results.html").read_text().startswith("<!doctype html>")
    first = (tmp_path / "one" / "results.csv").read_text()
    assert ask(*words, "--out", tmp_path / "one", "--against", tmp_path / "one" / "results.json")[0] == 0
    assert (tmp_path / "one" / "results.csv").read_text() == first  # nothing was computed again
    other = ("eval", "--features", features, "--method", "regressor", "--pictures", "3", "--out", tmp_path / "two")
    code, _, err = ask(*other, "--against", tmp_path / "one" / "results.json")
    assert code == 2
    assert "expected results under the protocol" in err
    assert err.count("\n") == 1


def test_pictures_are_shared_out_to_processes(ask: Ask, features: Path, tmp_path: Path) -> None:
    words = ("eval", "--features", features, *FEW[:-1], "1", "--condition", "clean", "--method", "regressor")
    assert ask(*words, "--jobs", "2", "--out", tmp_path)[0] == 0
    assert len(list((tmp_path / "answers").rglob("*.npz"))) == 2


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--method", "magic"), "--method: expected one of mean-pose,"),
        ((), "expected --method or --table"),
        (("--table", "1", "--method", "eft"), "--method: expected rows of table 1, found 'eft'"),
        (("--table", "4"), "--table: expected one of 1, 2, 3, found 4"),
        (("--table", "1", "--set", "huge"), "--set: expected one of small, standard, large"),
        (("--method", "nbv", "--condition", "@60"), "--condition: expected clean, natural, @40, @80"),
        (("--method", "nbv", "--data", "."), "expected --data and --backdrops together"),
        (("--method", "nbv", "--results", "x"), "--results: expected NAME=FILE, found 'x'"),
        (("--method", "nbv", "--start", "x"), "--start: expected one of the names of --results"),
        (
            ("--method", "nbv", "--condition", "@40", "--attack", "eft"),
            "--attack: expected a method that looks at pixels",
        ),
    ],
)
def test_what_cannot_be_asked(ask: Ask, features: Path, tmp_path: Path, words: tuple[str, ...], told: str) -> None:
    code, _, err = ask("eval", "--features", features, "--out", tmp_path, *words)
    assert code == 2
    assert told in err
    assert err.count("\n") == 1


def test_some_rows_of_a_table_are_compared_as_in_the_whole(ask: Ask, features: Path, tmp_path: Path) -> None:
    words = ("--table", "2", "--condition", "clean", "--method", "mean-pose", "--method", "regressor")
    code, out, _ = ask("eval", "--features", features, *FEW, *words, "--out", tmp_path)
    assert code == 2  # the mean pose is of the first table
    code, out, _ = ask(
        "eval", "--features", features, *FEW, *words[:4], *words[6:], "--method", "eft", "--out", tmp_path
    )
    assert code == 0
    lines = out.splitlines()
    head = next(n for n, line in enumerate(lines) if line.startswith("less regressor, paired"))
    assert [line.split()[:2] for line in lines[head + 1 :]] == [["EFT", "clean"]]
    assert "[" in lines[head + 1]
    assert "Differences from regressor" in (tmp_path / "table_2.html").read_text()


def test_pictures_go_out_and_results_come_in(ask: Ask, features: Path, tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    words = (
        "eval",
        "--features",
        features,
        *FEW,
        "--condition",
        "clean",
        "--method",
        "regressor",
        "--out",
        tmp_path / "o",
    )
    assert ask(*words, "--write-pictures", folder)[0] == 0
    written = sorted((folder / "clean").glob("*.png"))
    assert len(written) == 2
    with Image.open(written[0]) as picture:
        assert picture.size == (64, 64)
    joints = torch.randn(24, 3).tolist()
    theirs = tmp_path / "theirs.json"
    theirs.write_text(json.dumps({"imgname": [str(p) for p in written], "pred_joints": [joints, joints]}))
    code, out, _ = ask(*words, "--results", f"theirs={theirs}")
    assert code == 0
    assert "theirs" in out


def test_answers_under_another_prior_are_not_taken_up(ask: Ask, features: Path, tmp_path: Path) -> None:
    words = ("eval", "--features", features, *FEW, "--condition", "clean", "--method", "smplify", "--out", tmp_path)
    assert ask(*words)[0] == 0
    code, _, err = ask(*words, "--prior", "gaussian")
    assert code == 2
    assert "expected answers of the same settings as now" in err
    code, _, err = ask("adv-occ", "--features", features, "--pictures", "2", "--side", "9", "--out", tmp_path)
    assert code == 2
    assert "--side: expected 10 to 223 pixels of a 224 px frame, found 9" in err


def test_patches_are_searched_for_and_mapped(ask: Ask, features: Path, tmp_path: Path) -> None:
    code, out, _ = ask(
        "adv-occ", "--features", features, "--pictures", "2", "--side", "120", "--maps", "1", "--out", tmp_path
    )
    assert code == 0
    assert "2 patches" in out
    held = read_patches(tmp_path / "patches_120_regressor.json")
    assert all(patch.error >= patch.clean - 1e-6 or patch.error > 0 for patch in held.patches)
    assert (tmp_path / "sensitivity.glb").exists()
    assert len(list(tmp_path.glob("map_*.png"))) == 1
    assert ask("adv-occ", "--features", features, "--side", "224", "--out", tmp_path)[0] == 2


def test_patches_found_elsewhere_are_pasted_without_another_search(ask: Ask, features: Path, tmp_path: Path) -> None:
    few = ("--features", features, "--pictures", "2")
    assert ask("adv-occ", *few, "--out", tmp_path / "one")[0] == 0
    file = tmp_path / "one" / "patches_80_regressor.json"
    words = ("eval", *few, "--method", "regressor", "--condition", "@80")
    assert ask(*words, "--out", tmp_path / "one")[0] == 0
    held = json.loads(file.read_text())
    for patch in held["patches"]:
        patch["error"] = 7.0  # which a search would not find
    halves = [tmp_path / "first.json", tmp_path / "second.json"]
    for half, patch in zip(halves, held["patches"], strict=True):
        half.write_text(json.dumps(held | {"patches": [patch]}))
    assert ask(*words, "--patches", halves[0], "--patches", halves[1], "--out", tmp_path / "two")[0] == 0
    kept = sorted((tmp_path / "two" / "patches" / "80_regressor").iterdir())
    assert [patch.error for path in kept for patch in read_patches(path).patches] == [7.0, 7.0]
    one, two = (read_results(tmp_path / place / "results.json").find("regressor", "@80") for place in ("one", "two"))
    assert one is not None
    assert two is not None
    assert two.witness == one.witness

    code, _, err = ask(*words[:-1], "clean", "--patches", file, "--out", tmp_path / "three")
    assert code == 2
    assert err == f"probbody: {file}: expected patches of a --condition (clean), found those of @80.\n"
    assert not (tmp_path / "three").exists()
    held["patches"][0]["picture"] = "0123456789ab"
    file.write_text(json.dumps(held))
    code, _, err = ask(*words, "--patches", file, "--out", tmp_path / "four")
    assert code == 2
    assert "expected the picture 0123456789ab that was searched, found" in err
    assert not (tmp_path / "four" / "patches").exists()


def test_a_whole_fit_may_be_what_patches_harm(ask: Ask, features: Path, tmp_path: Path) -> None:
    words = ("--features", features, "--pictures", "2", "--steps", "2", "--side", "190", "--method", "nbv")
    code, out, err = ask("adv-occ", *words, "--out", tmp_path)
    assert code == 0, err
    assert "patches_190_nbv.json: 2 patches" in out


def test_every_table_names_methods_that_there_are() -> None:
    assert {name for names in TABLES.values() for name in names} <= set(METHODS)


def test_rows_that_need_features_of_their_own_are_named_as_lacking() -> None:
    told = lacking(("3DNBF", "8 directions"))
    assert told.count("not in this table") == 2
    assert '--beside "without contrast=FILE" with features of probbody train features --without-contrast' in told
    assert lacking(tuple(LEARNT_OTHERWISE)) == ""


def test_every_method_has_its_own_name_and_card(features: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from probbody.bodies.open_body import open_body
    from probbody.priors import gaussian_prior

    monkeypatch.setattr(parts_named, "second_features", untaught)  # of pictures as small as the first's
    shop = Workshop(open_body(), gaussian_prior(), untaught())
    methods = [make(shop) for make in METHODS.values()]
    assert len({method.name for method in methods}) == len(METHODS)
    for method in methods:
        assert json.loads(json.dumps(method.card())) == method.card(), method.name


def test_bins_have_the_features_that_the_circle_expects() -> None:
    field = untaught().features
    circle = field.directions
    assert isinstance(circle, CircleDirections)
    bins = rebinned(field, SigmoidDirections(3))
    away = torch.einsum("o,vod->vd", circle.weights(torch.tensor([0.0, 0.0, 1.0])), field.features)
    torch.testing.assert_close(bins.features[:, 1], torch.nn.functional.normalize(away, dim=-1))
    plane = torch.nn.functional.normalize(field.features.mean(1), dim=-1)
    torch.testing.assert_close(bins.features[:, 0], plane, atol=1e-5, rtol=1e-5)
    blind = without_directions(untaught()).features
    torch.testing.assert_close(blind.features[:, 0], plane, atol=1e-5, rtol=1e-5)
