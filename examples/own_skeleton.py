"""A gripper with three fingers: any tree of joints becomes a body, and a body is fitted to its own keypoints."""

import argparse
import math

import torch

from probbody.bodies.regressors import KeypointRegressor
from probbody.bodies.skinned import SkinnedBody
from probbody.bodies.tubes import tubes
from probbody.geometry.cameras import PinholeCamera
from probbody.geometry.rotations import axis_angle_to_matrix, matrix_to_quaternion
from probbody.inference import fit_map, keypoint_stages
from probbody.metrics import pa_mpjpe
from probbody.models import KeypointBody
from probbody.observation import Observation
from probbody.priors.gaussian import GaussianPose


def gripper(fingers: int = 3) -> SkinnedBody:
    """A wrist, a palm, and fingers of three bones around it (metres); it knows the joint set ``gripper``."""
    names, parents, places = ["wrist", "palm"], [-1, 0], [(0.0, 0.0, 0.0), (0.0, 0.09, 0.0)]
    for finger in range(fingers):
        round_it = math.tau * finger / fingers + 0.3
        for bone in range(4):
            out = 0.035 + 0.012 * bone * (1 + finger)  # fingers differ, so that they can be told apart
            parents.append(1 if bone == 0 else len(names) - 1)
            names.append(f"finger{finger}_{bone}")
            places.append((out * math.cos(round_it), 0.10 + 0.035 * bone, out * math.sin(round_it)))
    body = tubes(places, parents, names=tuple(names), radius=0.2)
    # Keypoints are rows that read the joints, then the vertices: here every joint but the palm's.
    rows = [joint for joint, name in enumerate(names) if name != "palm"]
    body.regressors["gripper"] = KeypointRegressor(torch.arange(len(names)), torch.eye(len(names))[rows])
    return body


def starts(observation: Observation, distance: float) -> dict[str, torch.Tensor]:
    """Eight orientations, all at the middle of the keypoints: upright and upside down, each turned four times."""
    assert observation.keypoints is not None
    turns = [(tip, turn) for tip in (0.0, math.pi) for turn in (0.0, 0.5 * math.pi, math.pi, 1.5 * math.pi)]
    tips = axis_angle_to_matrix(torch.tensor([[tip, 0.0, 0.0] for tip, _ in turns]))
    spins = axis_angle_to_matrix(torch.tensor([[0.0, turn, 0.0] for _, turn in turns]))
    orientation = matrix_to_quaternion(tips @ spins)[:, None].expand(-1, len(observation), -1)
    _, ray = observation.camera.rays(observation.keypoints[..., :2].mean(1, keepdim=True))
    place = observation.camera.locate(distance * ray[:, 0]).expand(len(turns), -1, -1)
    return {"orientation": orientation, "place": place, "noise": torch.full(place.shape[:2], 0.3)}


def main() -> None:
    """Invent grippers, look at their keypoints, fit, and compare with the truth."""
    ask = argparse.ArgumentParser(description=__doc__)
    ask.add_argument("--quick", action="store_true", help="one gripper, few steps")
    quick = ask.parse_args().quick
    torch.manual_seed(0)
    torch.set_num_threads(1)

    body = gripper()
    prior = GaussianPose.independent(len(body.parents) - 1, spread=0.25)
    model = KeypointBody(body, prior, "gripper", depth=0.8)
    count, distance = (1, 0.8) if quick else (8, 0.8)
    camera = PinholeCamera.looking_ahead(900.0, (480, 640), batch=count)

    wrist = matrix_to_quaternion(axis_angle_to_matrix(torch.randn(count, 3)))
    place = torch.tensor([0.0, 0.0, distance]).expand(count, 3)
    truth = model.story.assemble(prior.code().sample((count,)), wrist, 0.5 * torch.randn(count, body.num_shape), place)
    pixels = camera.project(body.keypoints(body(truth), "gripper"))[..., :2]
    seen = torch.cat([pixels + 0.5 * torch.randn_like(pixels), torch.ones_like(pixels[..., :1])], dim=-1)
    observation = Observation(camera, seen, "gripper")

    fit = fit_map(model, observation, stages=keypoint_stages(80 if quick else 300), start=starts(observation, distance))
    error = pa_mpjpe(body(fit.pose).joints, body(truth).joints)
    print(
        f"joints: {error.mean():.1f} mm from the truth after a similarity, {error.max():.1f} mm for the worst gripper"
    )
    print(f"converged: {int(fit.converged.sum())} of {len(fit)}")


if __name__ == "__main__":
    main()
