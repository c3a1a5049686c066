"""What all data sets share: joint sets, points, people."""

from typing import Any

import pytest
import torch

from probbody.data.annotated import AnnotatedPeople, Intrinsics, LabelledPoints, people_joined
from probbody.data.joint_sets import MPI_INF_3DHP17, MPI_INF_3DHP28, OPENPOSE18, SPIN24
from probbody.errors import BadInput


@pytest.mark.parametrize("joints", [SPIN24, OPENPOSE18, MPI_INF_3DHP28, MPI_INF_3DHP17], ids=lambda joints: joints.name)
def test_joint_sets_of_data_sets_are_trees_with_two_sides(joints: Any) -> None:
    assert len(joints.edges) == len(joints) - 1
    assert [joints.mirror[other] for other in joints.mirror] == list(range(len(joints)))
    reached = {joints.edges[0][0]}
    for _ in joints.names:
        reached |= {joint for edge in joints.edges if reached.intersection(edge) for joint in edge}
    assert len(reached) == len(joints)
    for first, second in joints.edges:
        sides = {joints.names[end].split("_")[0] for end in (first, second)} & {"left", "right"}
        assert len(sides) < 2, "no bone joins the left to the right"


def test_points_know_their_number_and_people_their_names() -> None:
    with pytest.raises(BadInput, match="expected the 24 of spin24, found 5"):
        LabelledPoints(torch.zeros(2, 5, 3), torch.ones(2, 5), SPIN24)
    with pytest.raises(BadInput, match="different names"):
        AnnotatedPeople("a", "b", ("x", "y"), ("same", "same"), ("v", "v"))


def test_cameras_of_annotations_follow_their_dtype() -> None:
    focal = torch.full((2, 2), 100.0, dtype=torch.float64)
    camera = Intrinsics(focal, focal / 2).cameras((100, 100))
    seen = camera.project(torch.tensor([[[0.0, 0.0, 2.0]]], dtype=torch.float64).expand(2, 1, 3))
    torch.testing.assert_close(seen[:, 0, :2], focal / 2)


def test_what_one_part_lacks_the_whole_lacks() -> None:
    first = AnnotatedPeople("a", "b", ("x",), ("one",), ("v",))
    second = AnnotatedPeople("a", "b", ("y",), ("two",), ("v",), sexes=("female",), boxes=torch.ones(1, 4))
    both = people_joined([first, second])
    assert both.names == ("one", "two")
    assert both.sexes == ()
    assert both.boxes is None
    assert people_joined([second, second[[]]]).sexes == ("female",)
