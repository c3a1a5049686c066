"""``probbody demo``: the whole way on a picture that ships, with a truth to compare with."""

import json
from importlib.resources import as_file, files
from pathlib import Path

import numpy as np
import torch

from probbody.bodies.joints import SMPL24
from probbody.metrics import pa_mpjpe

from .fit import Asked, run_fit
from .people import Settings

HIDDEN = ("knee", "ankle", "foot")
"""Words in the names of the joints that the table hides."""


def run_demo(out: Path, *, device: str, seed: int) -> None:
    """Fit the person behind the table, and say how far the seen joints and the hidden ones are from the truth."""
    assets = files("probbody.assets")
    card = json.loads((assets / "demo.json").read_text(encoding="utf-8"))
    settings = Settings(focal=card["focal_px"], seed=seed)
    with as_file(assets / "demo.png") as picture, as_file(assets / "demo_keypoints.json") as keypoints:
        run_fit(picture, keypoints, out, asked=Asked(device=device), settings=settings, again=True)
    person = out / "demo" / "person_0"
    with np.load(person / "fit.npz") as fit:
        found = torch.from_numpy(fit["joints3d_smpl24"])[None]
    truth = torch.tensor(card["truth"]["joints3d_smpl24"])[None]
    hidden = torch.tensor([any(word in name for word in HIDDEN) for name in SMPL24.names])[None]
    for name, chosen in (("seen", ~hidden), ("hidden by the table", hidden)):
        print(f"joints {name}: {pa_mpjpe(found, truth, chosen).item():.0f} mm from the truth (after a similarity)")
    report = json.loads((person / "fit.json").read_text(encoding="utf-8"))
    print("not seen, so guessed by the prior: " + ", ".join(report["not_seen_so_guessed_by_the_prior"]))
    print(f"look at {person / 'overlay.png'}; {person / 'body.glb'} opens in any viewer")
