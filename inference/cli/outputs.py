"""What a fitted picture leaves behind: numbers for programs and for people, an overlay, a mesh."""

import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
import trimesh
from jaxtyping import Bool, Float
from PIL import Image
from torch import Tensor

from probbody.bodies.joints import JointSet, joint_set
from probbody.data.files import folder_written_whole
from probbody.errors import BadInput
from probbody.geometry.cameras import PinholeCamera
from probbody.geometry.rotations import matrix_to_axis_angle
from probbody.metrics import reprojection_error

from .fitted import FittedPeople
from .pixel_report import of_pixels, pixel_arrays
from .sheets import sheet
from .ways import sha256_of

MESHES = ("glb", "obj", "ply")
LAYOUTS = ("coco17", "openpose25")


CARD = "people.json"
"""The file that says whose results a folder holds; it is there when they are whole."""


def write_people(
    folder: Path,
    photograph: Image.Image,
    people: FittedPeople,
    meshes: tuple[str, ...] = ("glb",),
    *,
    picture: str = "",
    sha256: str = "",
    asked: Mapping[str, object] = MappingProxyType({}),
    passed_over: Mapping[str, int] = MappingProxyType({}),
) -> list[dict[str, object]]:
    """Write ``person_0``, ``person_1``, ... into ``folder``, all of them or nothing; returns their ``fit.json``.

    ``people.json`` beside them says from which picture (its name and what it holds), what was asked for (``asked``: an
    option's name, its value), what the keypoint file calls them, and who was passed over because too few of their
    keypoints were seen (``passed_over``: name, number of keypoints).
    """
    reports = []
    with folder_written_whole(folder) as temporary:
        for person in range(len(people.fit)):
            inside = temporary / f"person_{person}"
            inside.mkdir()
            reports.append(report(people, person))
            _write_json(inside / "fit.json", reports[-1])
            sheet(photograph, people, person).save(inside / "overlay.png")
            if not people.found(person):
                continue  # a body that nothing speaks for is not written down
            np.savez_compressed(inside / "fit.npz", **arrays(people, person))  # type: ignore[arg-type]
            for kind in dict.fromkeys(meshes):
                write_mesh(inside / f"body.{kind}", people, person)
        card = {
            "picture": picture,
            "sha256": sha256,
            "asked": dict(asked),
            "people": {f"person_{person}": name for person, name in enumerate(people.names)},
            "passed_over": [{"person": name, "keypoints": count} for name, count in passed_over.items()],
        }
        _write_json(temporary / CARD, card)
    return reports


def finished(folder: Path, picture: Path) -> bool:
    """Whether the results of that picture stand in ``folder``; anything else that stands there is refused, not replaced.

    Where a result does not say what its picture held, the name is believed.
    """
    if not folder.is_dir() or not any(folder.iterdir()):
        if folder.is_file():
            raise BadInput(f"{folder}: expected a folder of results, or nothing yet, found a file.")
        return False
    card = _card(folder)
    told, held = card.get("picture"), card.get("sha256")
    if told != picture.name or (held and picture.is_file() and held != sha256_of(picture)):
        found = "something else" if told is None else f"those of {'another ' if told == picture.name else ''}{told}"
        raise BadInput(
            f"{folder}: expected results of {picture.name}, or nothing yet, found {found}; choose another --out."
        )
    return True


def asked_otherwise(folder: Path, asked: Mapping[str, object]) -> list[str]:
    """The names of the options that were others when the results in ``folder`` were made, as far as these say it."""
    before = _card(folder).get("asked")
    return [name for name, value in before.items() if asked.get(name) != value] if isinstance(before, dict) else []


def _card(folder: Path) -> dict[str, Any]:
    try:
        card = json.loads((folder / CARD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return card if isinstance(card, dict) else {}


def _write_json(path: Path, content: object) -> None:
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def arrays(people: FittedPeople, person: int) -> dict[str, np.ndarray]:
    """The numbers of one person under SMPL's names: metres, radians, pixels of the picture, the camera's frame."""
    fit, one = people.fit, people.surface[person]
    pose = fit.pose[person]
    turns = matrix_to_axis_angle(pose.rotations)[0]
    camera = people.camera[person]
    found: dict[str, Tensor | np.ndarray] = {
        "global_orient": turns[0],
        "body_pose": turns[1:].reshape(-1),
        "betas": pose.shape[0],
        "transl": pose.translation[0],
        "camera": camera_matrix(camera),
        "loss": fit.loss[person],
        "converged": fit.converged[person],
        "seed": np.array(fit.seed),
        "joints3d_smpl24" if len(people.body.parents) == 24 else "joints3d": one.joints[0],
    }
    if people.pixels is not None:
        found |= pixel_arrays(people, person)
    for layout in dict.fromkeys((*LAYOUTS, people.observation.layout)):
        if layout in people.body.regressors:
            points = people.body.keypoints(one, layout)
            found[f"joints3d_{layout}"] = points[0]
            found[f"joints2d_{layout}"] = camera.project(points)[0, :, :2]
    return {name: value.cpu().numpy() if isinstance(value, Tensor) else value for name, value in found.items()}


def camera_matrix(camera: PinholeCamera) -> Float[Tensor, "3 3"]:
    """The matrix K of one camera, in pixels."""
    matrix = torch.diag(torch.cat([camera.focal[0], camera.focal.new_ones(1)]))
    matrix[:2, 2] = camera.centre[0]
    return matrix


def report(people: FittedPeople, person: int) -> dict[str, object]:
    """What a person wants to know of a fit; lengths in metres, errors as a share of the diagonal of the person's box.

    Where nothing is explained it says that, and nothing of a body.
    """
    return {
        "person": people.names[person],
        **({} if people.places is None else _of_keypoints(people, person)),
        **({} if people.pixels is None else of_pixels(people, person)),
        **(_of_body(people, person) if people.found(person) else {"converged": False}),
        "focal_px": round(float(people.camera.focal[person, 0]), 1),
        "focal_known": people.focal_known,
        "loss_nats": round(float(people.fit.loss[person]), 3),
        "start": int(people.fit.start[person]),
        "seed": people.fit.seed,
        "steps": people.steps,
        "licences": [*people.fit.licences, *([] if people.pixels is None else [people.pixels.licence])],
    }


def _of_body(people: FittedPeople, person: int) -> dict[str, object]:
    at_rest = people.body.template + people.body.shape_directions @ people.fit.pose.shape[person]
    return {
        "converged": bool(people.fit.converged[person]),
        "height_m": round(float(at_rest[:, 1].max() - at_rest[:, 1].min()), 3),
        "distance_m": round(float(people.surface.vertices[person].mean(0).norm()), 3),
    }


def _of_keypoints(people: FittedPeople, person: int) -> dict[str, object]:
    """Which keypoints were believed, and how near the body comes to them."""
    observation = people.observation[person]
    assert observation.keypoints is not None
    assert people.places is not None
    joints = joint_set(observation.layout)
    seen = observation.keypoints[0, :, 2] > 0
    extent = observation.extent()[:, 0]
    error = float(reprojection_error(people.places[person : person + 1], observation.keypoints, extent))
    trusted = _trusted(people, person)
    return {
        "reprojection_error": round(error, 5),
        "reprojection_error_px": round(error * float(extent), 2),
        "keypoints_used": int((seen & trusted).sum()),
        "keypoints_missing": _named(joints, ~seen),
        "keypoints_not_believed": _named(joints, seen & ~trusted),
        "not_seen_so_guessed_by_the_prior": _named(joints, ~(seen & trusted)),
    }


def _trusted(people: FittedPeople, person: int) -> Bool[Tensor, " P"]:
    """The keypoints that the fit takes for right rather than for outliers."""
    observation, noise = people.observation, people.noise
    assert observation.keypoints is not None
    assert people.places is not None
    assert noise is not None
    density = noise.density(people.places, people.fit.sites()["noise"], observation)
    return density.responsibility(observation.keypoints[..., :2])[person] > 0.5


def _named(joints: JointSet, chosen: Bool[Tensor, " P"]) -> list[str]:
    return [name for name, one in zip(joints.names, chosen.tolist(), strict=True) if one]


def write_mesh(path: Path, people: FittedPeople, person: int) -> None:
    """The body in OpenGL's axes (y up, looking along -z, as viewers do), metres, the photograph's camera at the origin.

    The ending says which format: ``glb``, which holds that camera too, ``obj`` or ``ply``.
    """
    vertices = people.surface.vertices[person].cpu().double().numpy() * [1.0, -1.0, -1.0]
    solid = trimesh.Trimesh(vertices, people.surface.faces.cpu().numpy(), process=False)
    if path.suffix != ".glb":
        solid.export(path)
        return
    solid.visual = trimesh.visual.TextureVisuals(
        material=trimesh.visual.material.PBRMaterial(
            name="body", baseColorFactor=[120, 170, 225, 255], metallicFactor=0.0, roughnessFactor=0.8
        )
    )
    height, width = people.camera.size
    focal = people.camera.focal[person].tolist()
    camera = trimesh.scene.Camera(name="photograph", resolution=(width, height), focal=focal)

    def shaped_as_the_picture(tree: dict[str, Any]) -> None:
        # glTF's ratio is that of the sides; trimesh writes that of the angles
        tree["cameras"][0]["perspective"]["aspectRatio"] = width / height

    scene = trimesh.Scene(solid, camera=camera, camera_transform=np.eye(4))
    scene.export(path, tree_postprocessor=shaped_as_the_picture)
