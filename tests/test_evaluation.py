"""Methods measured side by side: what is refused, what is kept, what a table says."""

import csv
import functools
import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from probbody.bodies.open_body import open_body
from probbody.data.hmr_results import read_results as read_foreign
from probbody.errors import BadInput
from probbody.extractors.view import facing, view_of
from probbody.inference.evaluate.fine_tuning import FineTuned, Tuning
from probbody.inference.evaluate.fingerprints import fingerprint
from probbody.inference.evaluate.measured import MEASURES, Measured
from probbody.inference.evaluate.method import Answer, Method, Seen, checked
from probbody.inference.evaluate.on_synthocc import OnSynthOcc, measured, seen_of
from probbody.inference.evaluate.regression import SavedJoints, Started
from probbody.inference.evaluate.report import best_and_worst, write_page
from probbody.inference.evaluate.results import Result, Results, check_protocol, compared, read_results
from probbody.inference.evaluate.run import Run
from probbody.inference.evaluate.starts import SMPL_PELVIS, AsRead, AsSaved, MeanPose
from probbody.inference.evaluate.tables import Table, write_csv
from probbody.metrics import Mean, mpjpe, pa_mpjpe, pve
from probbody.quantities import Pose
from probbody.synthocc import JOINTS, Clean, Natural, SynthOcc
from tests.evaluation_scenes import tiny_benchmark, untaught

BODY = open_body()
CARDS = Path(__file__).parents[1] / "benchmarks" / "paper_tables"
LEARNT = untaught()


class Told(Method):
    """Says the truth, moved by a little that depends on the picture; counts how often it is asked."""

    def __init__(self, name: str, benchmark: SynthOcc, off: float, fails_at: int = 99) -> None:
        self.name, self.off, self.fails_at, self.asked = name, off, fails_at, 0
        self.truth = {name: one for kind in ("clean", "natural") for name, one in _poses(benchmark, kind).items()}

    def __call__(self, seen: Seen) -> Answer:
        self.asked += 1
        if self.asked > self.fails_at:
            raise KeyboardInterrupt
        pose = Pose(
            *(
                torch.cat([getattr(self.truth[n], part) for n in seen.names])
                for part in ("rotations", "shape", "translation")
            )
        )
        joints = BODY(pose).joints
        noise = torch.stack([torch.sin(torch.arange(72.0) * (1 + int(n[-3:]))).reshape(24, 3) for n in seen.names])
        maps = torch.full((len(seen), 16, 16), 0.25)
        return Answer(joints + self.off * noise, pose, maps)

    def card(self) -> dict[str, object]:
        return {"off": self.off}


class Fixed(Method):
    """Always the same answer."""

    def __init__(self, answer: Answer) -> None:
        self.name, self.answer = "fixed", answer

    def __call__(self, seen: Seen) -> Answer:
        return self.answer

    def card(self) -> dict[str, object]:
        return {}


@functools.cache
def _poses(benchmark: SynthOcc, kind: str) -> dict[str, Pose]:
    scenes = benchmark.scenes(kind, slice(0, len(benchmark)))
    return {f"{kind}/{name}": scenes.pictures.pose[row] for row, name in enumerate(scenes.names())}


@pytest.fixture(scope="module")
def benchmark() -> SynthOcc:
    return tiny_benchmark()


@pytest.fixture(scope="module")
def seen(benchmark: SynthOcc) -> Seen:
    return seen_of(benchmark.scenes("clean", slice(0, 4)), Clean())


def some_results(benchmark: SynthOcc, folder: Path) -> tuple[Results, dict[tuple[str, str], Measured]]:
    methods = [Told("near", benchmark, 0.02), Told("far", benchmark, 0.08)]
    answers = Run(OnSynthOcc(benchmark), folder, 3)(methods, [Clean(), Natural()])
    found = [
        Result.of(m.name, c.name, {"settings": m.card(), "condition": c.card(benchmark)}, answers[m.name, c.name])
        for c in (Clean(), Natural())
        for m in methods
    ]
    return Results.of(benchmark.card(), found), answers


def test_every_measure_is_that_of_the_metrics(benchmark: SynthOcc) -> None:
    scenes = benchmark.scenes("natural", slice(0, 4))
    answer = Told("near", benchmark, 0.05)(seen_of(scenes, Natural()))
    held = measured(replace(answer, joints=answer.joints[:, :JOINTS]), scenes, BODY, 2.0)
    found = {measure.name: measure.of(held).value() for measure in MEASURES}
    joints, truth = answer.joints[:, :JOINTS], scenes.joints
    away = 1000 * ((joints - joints[:, :1]) - (truth - truth[:, :1])).norm(dim=-1)
    assert found["MPJPE"] == pytest.approx(float(away[scenes.shown].mean()), rel=1e-5)
    assert found["MPJPE of hidden joints"] == pytest.approx(float(away[~scenes.shown].mean()), rel=1e-5)
    assert found["MPJPE of all joints"] == pytest.approx(float(mpjpe(joints, truth).mean()), rel=1e-5)
    assert found["PA-MPJPE of all joints"] == pytest.approx(float(pa_mpjpe(joints, truth).mean()), rel=1e-5)
    assert found["PVE"] == pytest.approx(0.0, abs=0.01)
    assert found["AUC of the occlusion map"] == pytest.approx(0.5)
    hidden, body = scenes.pictures.occluder[:, 2::4, 2::4], scenes.pictures.mask[:, 2::4, 2::4]
    brier = [float((0.25 - hidden[n][body[n]].float()).square().mean()) for n in range(4)]
    assert found["Brier score of the occlusion map"] == pytest.approx(sum(brier) / 4, rel=1e-4)
    assert float(held.seconds.sum()) == pytest.approx(2.0)
    moved = BODY(answer.pose) if answer.pose is not None else None
    assert moved is not None
    assert float(pve(moved.vertices, moved.vertices, moved.joints[:, 0], moved.joints[:, 0]).max()) == 0


def test_a_run_that_was_stopped_gives_the_same_table(benchmark: SynthOcc, tmp_path: Path) -> None:
    whole = Run(OnSynthOcc(benchmark), tmp_path / "whole", 2)([Told("near", benchmark, 0.02)], [Clean()])
    stopped = Run(OnSynthOcc(benchmark), tmp_path / "stopped", 2)
    with pytest.raises(KeyboardInterrupt):
        stopped([Told("near", benchmark, 0.02, fails_at=1)], [Clean()])
    again = Told("near", benchmark, 0.02)
    resumed = stopped([again], [Clean()])
    assert again.asked == 1
    once_more = Told("near", benchmark, 0.02, fails_at=0)
    for held in (resumed, stopped([once_more], [Clean()])):
        for name in ("found", "truth", "off", "pve", "auc", "covered", "witness"):
            assert torch.equal(
                getattr(held["near", "clean"], name).nan_to_num(-1),
                getattr(whole["near", "clean"], name).nan_to_num(-1),
            ), name
    assert once_more.asked == 0


def test_answers_of_something_else_are_not_taken_up(benchmark: SynthOcc, tmp_path: Path) -> None:
    method = Told("near", benchmark, 0.02)
    Run(OnSynthOcc(benchmark), tmp_path, 4)([method], [Clean()])
    with pytest.raises(BadInput, match=r"at_once as now.*choose another --out"):
        Run(OnSynthOcc(benchmark), tmp_path, 2)([method], [Clean()])
    with pytest.raises(BadInput, match="settings as now"):
        Run(OnSynthOcc(benchmark), tmp_path, 4)([Told("near", benchmark, 0.03)], [Clean()])
    other = SynthOcc(benchmark.extent, benchmark.source, seed=5)
    with pytest.raises(BadInput, match="protocol as now"):
        Run(OnSynthOcc(other), tmp_path, 4)([method], [Clean()])
    with pytest.raises(BadInput, match="different names"):
        Run(OnSynthOcc(benchmark), tmp_path, 4)([method, method], [Clean()])
    with pytest.raises(BadInput, match="conditions: expected different ones"):
        Run(OnSynthOcc(benchmark), tmp_path, 4)([method], [Clean(), Clean()])
    kept = next(tmp_path.glob("answers/clean/near/*.npz"))
    kept.write_bytes(kept.read_bytes()[:200])
    with pytest.raises(BadInput, match="expected measured answers"):
        Measured.load(kept)


def test_a_batch_is_a_loop(benchmark: SynthOcc, tmp_path: Path) -> None:
    regressor = Started(AsRead(LEARNT.reader), BODY)
    many, one = (Run(OnSynthOcc(benchmark), tmp_path / str(n), n)([regressor], [Clean()]) for n in (4, 1))
    torch.testing.assert_close(many["regressor", "clean"].found, one["regressor", "clean"].found, atol=2e-3, rtol=1e-3)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (Answer(torch.zeros(4, 17, 3)), r"22 joints or more for each of 4 pictures, found \(4, 17, 3\)"),
        (Answer(torch.zeros(3, 24, 3)), r"found \(3, 24, 3\)"),
        (Answer(torch.full((4, 24, 3), torch.nan)), "found NaN or infinity for clean/"),
        (
            Answer(torch.zeros(4, 24, 3), occlusion=torch.full((4, 8, 8), torch.nan)),
            "expected an occlusion map of chances",
        ),
        (Answer(torch.zeros(4, 22, 3, dtype=torch.float16)), "joints in float32 or float64"),
        (
            Answer(
                torch.zeros(4, 22, 3), Pose(torch.eye(3).repeat(3, 24, 1, 1), torch.zeros(3, 10), torch.zeros(3, 3))
            ),
            "a pose for each of 4 pictures, found 3",
        ),
        (Answer(torch.zeros(4, 24, 3), occlusion=torch.zeros(4, 512, 512)), "that divide"),
    ],
)
def test_what_is_no_answer_is_refused_in_a_sentence(seen: Seen, answer: Answer, words: str) -> None:
    with pytest.raises(BadInput, match=f"fixed: expected .*{words}" if "map" not in words else words):
        checked(Fixed(answer), seen)


def test_fine_tuning_is_the_regressor_after_no_step_and_better_after_some(seen: Seen) -> None:
    reader = LEARNT.reader
    before = fingerprint(reader)
    regressor = Started(AsRead(reader), BODY)(seen)
    none = FineTuned(reader, BODY, Tuning(steps=0))(seen)
    torch.testing.assert_close(none.joints, regressor.joints, atol=1e-5, rtol=1e-5)
    tuned = FineTuned(reader, BODY, Tuning(steps=6, rate=1e-3))
    found = tuned(seen[:2])
    places = [
        seen[:2].camera.project(BODY.keypoints(BODY(a.pose), "coco17"))[..., :2] for a in (found, none[:2]) if a.pose
    ]
    off = [((p - seen.keypoints[:2, :, :2]).norm(dim=-1) * seen.keypoints[:2, :, 2]).sum() for p in places]
    assert off[0] < 0.8 * off[1]
    assert fingerprint(reader) == before
    again = tuned(seen[1:2])
    assert again.pose is not None
    assert found.pose is not None
    # whatever came before; joints but for the rounding of batches
    assert torch.equal(again.pose.rotations[0], found.pose.rotations[1])
    torch.testing.assert_close(again.joints[0], found.joints[1], atol=1e-5, rtol=1e-5)
    blind = replace(seen[:1], keypoints=torch.zeros_like(seen.keypoints[:1]))
    torch.testing.assert_close(tuned(blind).joints, none.joints[:1], atol=1e-5, rtol=1e-5)


def test_what_another_program_saved_is_a_start_and_a_baseline(benchmark: SynthOcc, seen: Seen, tmp_path: Path) -> None:
    pictures = benchmark.scenes("clean", slice(0, 4)).pictures
    turns = pictures.pose.rotations.clone()
    turns[:, 0] = facing(seen.camera).mT @ turns[:, 0]
    view = view_of(pictures.joints[:, 0], seen.camera)
    scale = view[:, :1].exp()
    weak = torch.cat([scale, view[:, 1:] / scale - torch.tensor(SMPL_PELVIS[:2])], 1)
    order = [2, 0, 3, 1]
    names = np.array([f"somewhere/{name}.png" for name in seen.names])[order]
    path = tmp_path / "other.npz"
    np.savez(path, pred_rotmat=turns[order].numpy(), pred_cam=weak[order].numpy(), imgname=names)
    start = AsSaved(read_foreign(path), BODY, "theirs")
    (pose,) = start.poses(seen)
    torch.testing.assert_close(pose.rotations, pictures.pose.rotations, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(BODY(pose).joints[:, 0], pictures.joints[:, 0], atol=1e-3, rtol=1e-3)
    bare = tmp_path / "joints.npz"
    np.savez(bare, pred_joints=pictures.joints[order].numpy(), imgname=names)
    torch.testing.assert_close(SavedJoints(read_foreign(bare), "j")(seen).joints, pictures.joints)
    np.savez(tmp_path / "unnamed.npz", pred_rotmat=turns.numpy(), pred_joints=pictures.joints.numpy())
    for method in (lambda held: AsSaved(held, BODY, "j"), lambda held: SavedJoints(held, "j")):
        with pytest.raises(BadInput, match="expected the picture of each row"):
            method(read_foreign(tmp_path / "unnamed.npz"))
    np.savez(tmp_path / "spin49.npz", pred_joints=np.zeros((4, 49, 3)), imgname=names)
    with pytest.raises(BadInput, match=r"joints of a body of SMPL's family .*, found 49"):
        SavedJoints(read_foreign(tmp_path / "spin49.npz"), "j")
    with pytest.raises(BadInput, match="expected rotations to start from"):
        AsSaved(read_foreign(bare), BODY, "j")
    with pytest.raises(BadInput, match="expected one result for clean/999999"):
        start.poses(replace(seen, names=("clean/999999", *seen.names[1:])))


def test_the_mean_pose_is_the_same_for_everybody(seen: Seen) -> None:
    front, left = MeanPose(LEARNT.reader, (0.0, math.pi / 2)).poses(seen)  # type: ignore[arg-type]
    assert torch.equal(front.rotations[0, 1:], front.rotations[3, 1:])
    torch.testing.assert_close(left.rotations[:, 1:], front.rotations[:, 1:])
    turn = front.rotations[:, 0].mT @ left.rotations[:, 0]
    torch.testing.assert_close(turn[:, 1, 1], torch.ones(4))


def test_results_come_back_from_their_file(benchmark: SynthOcc, tmp_path: Path) -> None:
    results, _ = some_results(benchmark, tmp_path / "run")
    results.save(tmp_path / "results.json")
    again = read_results(tmp_path / "results.json")
    assert again.protocol["hash"] == benchmark.card()["hash"]
    for mine, theirs in zip(results.results, again.results, strict=True):
        assert mine.card == theirs.card
        assert mine.interval("MPJPE") == theirs.interval("MPJPE")
    content = json.loads((tmp_path / "results.json").read_text())
    content["protocol"]["seed"] = 7
    (tmp_path / "results.json").write_text(json.dumps(content))
    with pytest.raises(BadInput, match="expected the protocol's hash"):
        read_results(tmp_path / "results.json")
    (tmp_path / "no.json").write_text('{"results": 3}')
    with pytest.raises(BadInput, match="expected results of probbody eval"):
        read_results(tmp_path / "no.json")


@pytest.mark.parametrize("card", sorted(CARDS.glob("*.json.gz")), ids=lambda card: card.name)
def test_committed_cards_are_those_of_the_tables(card: Path) -> None:
    held = read_results(card)
    with (CARDS / card.name.replace(".json.gz", ".csv")).open(encoding="utf-8") as table:
        lines = list(csv.DictReader(table))
    assert {line["protocol"] for line in lines} == {held.protocol["hash"]}
    said = {(line["method"], line["condition"], line["measure"]): float(line["value"]) for line in lines}
    means = {
        (one.method, one.condition, name): mean.value() for one in held.results for name, mean in one.means.items()
    }
    assert means == pytest.approx(said, rel=1e-12)


def test_only_results_on_the_same_pictures_are_compared(benchmark: SynthOcc, tmp_path: Path) -> None:
    results, _ = some_results(benchmark, tmp_path)
    near, far, elsewhere, _ = results.results
    apart = compared(far, near, "MPJPE")
    assert apart.estimate == pytest.approx(far.means["MPJPE"].value() - near.means["MPJPE"].value())
    assert apart.excludes(0.0)
    assert apart.low <= apart.estimate <= apart.high
    with pytest.raises(BadInput, match="under one condition"):
        compared(near, elsewhere, "MPJPE")
    with pytest.raises(BadInput, match="drawn otherwise"):
        compared(near, replace(far, witness=tuple(value + 0.1 for value in far.witness)), "MPJPE")
    with pytest.raises(BadInput, match="on the same pictures"):
        compared(near, replace(far, numbers=far.numbers[:-1]), "MPJPE")
    with pytest.raises(BadInput, match="far: expected PVE, found that it says nothing"):
        compared(near, replace(far, means={}), "PVE")
    patched = replace(far, card={**far.card, "condition": {"victim": "somebody"}})
    with pytest.raises(BadInput, match="different methods"):
        compared(near, patched, "MPJPE")
    other = SynthOcc(benchmark.extent, benchmark.source, seed=5)
    with pytest.raises(BadInput, match="seed is 5 there, 2 here"):
        check_protocol(results.protocol, other.card(), "old.json")


def test_a_star_needs_two_pictures_that_count(benchmark: SynthOcc, tmp_path: Path) -> None:
    results, _ = some_results(benchmark, tmp_path)

    def with_counted(pictures: int) -> Results:
        counts = (torch.arange(len(results.results[0].numbers)) < pictures).double()[:, None]
        means = [Mean(error * counts, counts, "pooled over joints") for error in (20.0, 80.0)]
        found = [replace(one, means={"MPJPE": mean}) for one, mean in zip(results.results[:2], means, strict=True)]
        return replace(results, results=tuple(found))

    told = {
        number: Table("Few", ("near", "far"), ("clean",), with_counted(number), against="near") for number in (1, 2)
    }
    assert [told[1].rows()[row][1] for row in (1, 2)] == ["20.0", "80.0"]
    assert [told[2].rows()[row][1] for row in (1, 2)] == ["20.0 ±0.0", "80.0 ±0.0*"]
    assert len(told[1].paired()) == 1
    assert told[2].paired()[1][2] == "+60.0 [+60.0, +60.0]"
    assert with_counted(1).results[0].interval("MPJPE") is None
    with_counted(1).save(tmp_path / "results.json")
    assert "NaN" not in (tmp_path / "results.json").read_text()


def test_a_table_says_which_methods_differ(benchmark: SynthOcc, tmp_path: Path) -> None:
    results, answers = some_results(benchmark, tmp_path / "run")
    table = Table("Side by side", ("near", "far", "absent"), ("clean", "natural"), results, against="near")
    head, near, far, absent = table.rows()
    assert head[1:4] == ["clean MPJPE", "clean PA-MPJPE", "clean PCKh"]
    assert absent[1:] == ["-"] * 7
    assert far[1].endswith("*")
    assert not near[1].endswith("*")
    assert near[1].split(" ")[0] == f"{results.results[0].means['MPJPE'].value():.1f}"
    write_csv(tmp_path / "results.csv", results)
    lines = (tmp_path / "results.csv").read_text().splitlines()
    assert lines[0].startswith("protocol,method,condition,measure,unit,value")
    row = next(line for line in lines if ",far,clean,MPJPE," in line).split(",")
    assert float(row[5]) == results.results[1].means["MPJPE"].value()
    shown = best_and_worst(
        OnSynthOcc(benchmark), Clean(), {n: answers[n, "clean"] for n in ("near", "far")}, "far", count=1
    )
    assert [("best" in one.words, "worst" in one.words) for one in shown] == [(True, False), (False, True)]
    write_page(tmp_path / "report.html", [table], answers, BODY.joint_names[:JOINTS], shown)
    page = (tmp_path / "report.html").read_text()
    assert page.count("<svg") == 3
    assert page.count("data:image/jpeg;base64,") == 2
    assert "http" not in page
    assert str(benchmark.card()["hash"]) in page
