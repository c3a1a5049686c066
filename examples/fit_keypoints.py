"""A person stands before a camera; 17 noisy keypoints of theirs are known, and the body is wanted."""

import argparse
import math

import torch

from probbody.bodies.open_body import open_body
from probbody.contracts import ArticulatedBody, PosePrior
from probbody.geometry.cameras import PinholeCamera
from probbody.geometry.rotations import axis_angle_to_matrix
from probbody.inference import fit_keypoints
from probbody.metrics import pa_mpjpe
from probbody.models import KeypointBody
from probbody.observation import Observation
from probbody.priors import vae_prior
from probbody.quantities import Pose


def somebody(body: ArticulatedBody, prior: PosePrior, people: int) -> Pose:
    """People that face the camera three to five metres away, in poses drawn from the prior."""
    root = axis_angle_to_matrix(torch.tensor([math.pi, 0.0, 0.0])).expand(people, 1, 3, 3)  # y up to y down
    limbs = prior.decode(prior.code().sample((people,)))
    hands = torch.eye(3).expand(people, len(body.parents) - 1 - limbs.shape[1], 3, 3)
    place = torch.tensor([0.0, 0.0, 3.0]) + torch.rand(people, 3) * torch.tensor([0.5, 0.3, 2.0])
    return Pose(torch.cat([root, limbs, hands], dim=1), 0.5 * torch.randn(people, body.num_shape), place)


def main() -> None:
    """Invent people, look at their keypoints, fit, and compare with the truth."""
    ask = argparse.ArgumentParser(description=__doc__)
    ask.add_argument("--quick", action="store_true", help="one person, few steps")
    quick = ask.parse_args().quick
    torch.manual_seed(0)
    torch.set_num_threads(1)

    body, prior = open_body("coarse"), vae_prior()
    truth = somebody(body, prior, 1 if quick else 8)
    camera = PinholeCamera.looking_ahead(900.0, (720, 960), batch=len(truth))
    pixels = camera.project(body.keypoints(body(truth), "coco17"))[..., :2]
    keypoints = torch.cat([pixels + torch.randn_like(pixels), torch.ones_like(pixels[..., :1])], dim=-1)
    keypoints[:, -1] = 0.0  # one ankle is hidden

    model = KeypointBody(body, prior, "coco17")
    observation = Observation(camera, keypoints, "coco17")
    fit = fit_keypoints(model, body, prior, observation, steps=80 if quick else 365)

    error = pa_mpjpe(body(fit.pose).joints, body(truth).joints)
    print(f"joints: {error.mean():.0f} mm from the truth after a similarity, {error.max():.0f} mm for the worst person")
    print(f"converged: {int(fit.converged.sum())} of {len(fit)}")


if __name__ == "__main__":
    main()
