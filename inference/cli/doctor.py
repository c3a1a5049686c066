"""``probbody doctor``: what is here, what would fail, how to mend it."""

import hashlib
import json
import platform
from collections.abc import Iterator
from importlib import metadata, resources

import torch

from probbody.bodies.smpl import cache_folder
from probbody.errors import BadInput
from probbody.render import Compiled, quickest

from .parts import BODIES, PRIORS, body_named, prior_named

LIBRARIES = (
    "torch", "pyro-ppl", "numpy", "scipy", "jaxtyping", "kornia", "safetensors", "pillow", "trimesh", "tqdm",
    "typer",
)  # fmt: skip

Finding = tuple[bool, str, str]
"""Whether it is well, what it is, and what was found or how to mend it."""


def run_doctor() -> int:
    """Print the findings; 0 where all is well, 1 where something would fail."""
    well = True
    rooms = {"libraries": _libraries, "devices": _devices, "assets": _assets, "parts": _parts, "your files": _files}
    for part, findings in rooms.items():
        print(part)
        for good, what, found in findings():
            well = well and good
            print(f"  {'ok  ' if good else 'FAIL'} {what}: {found}")
    print("all is well" if well else "something would fail: see the lines marked FAIL")
    return 0 if well else 1


def _libraries() -> Iterator[Finding]:
    yield True, "python", platform.python_version()
    for name in LIBRARIES:
        try:
            yield True, name, metadata.version(name)
        except metadata.PackageNotFoundError:
            yield False, name, f"not installed; pip install {name}"
    drawn = (
        "by compiled code" if isinstance(quickest(), Compiled) else 'by torch; pip install "probbody[fast]" for speed'
    )
    yield True, "volumes", f"drawn {drawn}"


def _devices() -> Iterator[Finding]:
    yield True, "cpu", f"{torch.get_num_threads()} threads by default; a fit uses one"
    for index in range(torch.cuda.device_count()):
        yield True, f"cuda:{index}", torch.cuda.get_device_name(index)
    if not torch.cuda.is_available():
        yield True, "gpu", "none that torch can use; not needed"


def _assets() -> Iterator[Finding]:
    folder = resources.files("probbody.assets")
    cards = (entry for entry in folder.iterdir() if entry.name.endswith(".json"))
    for card in sorted(cards, key=lambda entry: entry.name):
        for name, expected in json.loads(card.read_text(encoding="utf-8")).get("sha256", {}).items():
            asset = folder / name
            if not asset.is_file():
                yield False, name, "missing; install probbody anew"
            elif hashlib.sha256(asset.read_bytes()).hexdigest() != expected:
                yield False, name, f"not the file that {card.name} describes; install probbody anew"
            else:
                yield True, name, "whole"


def _parts() -> Iterator[Finding]:
    for kind, names, make in (("body", BODIES, body_named), ("prior", tuple(PRIORS), prior_named)):
        for name in names:
            try:
                part = make(name)
                yield True, f"{kind} {name}", part.licence
            except (BadInput, OSError) as error:
                yield False, f"{kind} {name}", str(error)


def _files() -> Iterator[Finding]:
    found = sorted(cache_folder().glob("*.npz")) if cache_folder().is_dir() else []
    if not found:
        yield True, "SMPL files", "none imported; 'probbody import-smpl FILE' takes yours"
    for path in found:
        try:
            yield True, str(path), body_named(str(path)).licence
        except BadInput as error:
            yield False, str(path), f"{error} Import it again."
