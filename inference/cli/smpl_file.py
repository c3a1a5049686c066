"""``probbody import-smpl``: a licensed body file becomes a clean one in the user's cache."""

from pathlib import Path

from probbody.bodies.smpl import import_smpl, smpl


def run_import(file: Path, cache: Path | None) -> None:
    """Validate, copy, and say how to use it and under which licence."""
    clean = import_smpl(file, cache)
    body = smpl(clean)
    layouts = ", ".join(body.regressors)
    print(f"{clean}: {len(body.template)} vertices, {len(body.parents)} joints, {body.num_shape} shape directions")
    print(f"keypoints: {layouts}")
    print(f"licence: {body.licence}")
    print(f"use it with: probbody fit IMAGE --keypoints FILE --out DIR --body {clean}")
