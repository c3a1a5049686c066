"""What a fit to pixels says beside the body: where it looked, what was explained, what was hidden."""

from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import avg_pool2d

from probbody.geometry.rotations import matrix_to_axis_angle

from .fitted import LEAST_EVIDENCE, FittedPeople

HIDDEN = 0.5
"""Above this chance a joint counts as hidden."""


def of_pixels(people: FittedPeople, person: int) -> dict[str, object]:
    """The part of ``fit.json`` that only pixels tell."""
    assert people.pixels is not None
    assert people.fit.evidence is not None
    assert people.fit.occlusion is not None
    evidence = float(people.fit.evidence[person])
    explained = people.explained(person)
    told: dict[str, object] = {
        "model": people.pixels.system,
        "crop": [round(edge, 1) for edge in people.pixels.crops.boxes()[person].tolist()],
        "explained": explained,
        "evidence_nats": round(evidence, 2),
    }
    if not people.found(person):
        told["told"] = f"nothing is explained: {_why(people, person)}"
    elif explained:
        hidden = hidden_joints(people, person)
        names = people.body.joint_names
        covered = float(people.pixels.coverage[person].sum())
        told["share_hidden"] = round(float(people.fit.occlusion[person].sum()) / max(covered, 1e-6), 3)
        told["joints_not_seen"] = [name for name, one in zip(names, hidden.tolist(), strict=True) if one]
    return told


def _why(people: FittedPeople, person: int) -> str:
    assert people.fit.evidence is not None
    assert people.pixels is not None
    evidence, sure = float(people.fit.evidence[person]), people.surely(person)
    if evidence > LEAST_EVIDENCE and sure is not None:
        least = people.pixels.least_sure
        return f"the reader is {sure:.0%} sure of where joints are, expected more than {least:.0%} for somebody"
    return f"with a body the features are likelier by {evidence:.1f} nats, expected more than {LEAST_EVIDENCE:g}"


def pixel_arrays(people: FittedPeople, person: int) -> dict[str, Tensor]:
    """The part of ``fit.npz`` that only pixels tell: the crop, what hides the body in it, what the network took it for."""
    fit, pixels = people.fit, people.pixels
    assert pixels is not None
    assert fit.evidence is not None
    assert fit.occlusion is not None
    assert fit.guess is not None
    guess = fit.guess[person]
    turns = matrix_to_axis_angle(guess.rotations)[0]
    return {
        "crop": pixels.crops.boxes()[person],
        "evidence": fit.evidence[person],
        "occlusion": fit.occlusion[person],
        "guess_global_orient": turns[0],
        "guess_body_pose": turns[1:].reshape(-1),
        "guess_betas": guess.shape[0],
        "guess_transl": guess.translation[0],
    }


def hidden_joints(people: FittedPeople, person: int) -> Bool[Tensor, " J"]:
    """Joints outside of the crop or of the picture, or with something else before them."""
    assert people.pixels is not None
    assert people.fit.occlusion is not None
    joints = people.surface.joints[person : person + 1]
    view = people.pixels.crops.camera[person]
    inside = _within(view.project(joints)[0], view.size) & _within(
        people.camera[person].project(joints)[0], people.camera.size
    )
    around = [_around(each[person]) for each in (people.fit.occlusion, people.pixels.coverage)]
    hidden = around[0] / around[1].clamp_min(1e-6)
    height, width = hidden.shape
    u, v, _ = view.resized((height, width)).project(joints)[0].unbind(-1)
    column, row = u.floor().long().clamp(0, width - 1), v.floor().long().clamp(0, height - 1)
    return ~inside | (hidden[row, column] > HIDDEN)


def _around(chance: Float[Tensor, "h w"]) -> Float[Tensor, "h w"]:
    """The mean over three by three pixels: one alone says little."""
    return avg_pool2d(chance[None, None], 3, stride=1, padding=1)[0, 0]


def _within(pixels: Tensor, size: tuple[int, int]) -> Bool[Tensor, " J"]:
    u, v, depth = pixels.unbind(-1)
    return (u >= 0) & (v >= 0) & (u < size[1]) & (v < size[0]) & (depth > 0)
