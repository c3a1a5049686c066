"""``probbody adv-occ``: where a patch harms a method most, on SynthOcc: patches to replay, and maps of where it hurts."""

from pathlib import Path

import torch
from tqdm import tqdm

from probbody.adversary import draw_body, draw_map, vertex_errors, write_mesh
from probbody.errors import BadInput
from probbody.synthocc import SynthOcc
from probbody.synthocc.conditions import Attacked, as_method, only, targets_of

from .compared import Parts, Pictures, attacked, patches_in
from .methods import Workshop, method_named

_DRAWN = 4
"""Pictures whose maps are drawn."""


def run_adv_occ(pictures: Pictures, parts: Parts, *, method: str, side: int, out: Path, maps: int) -> None:
    """Search the worst patches, write ``patches_SIDE_METHOD.json``; with ``maps`` also those of the first so many pictures."""
    torch.set_num_threads(1)
    if not 0 < side < 224:
        raise BadInput(f"--side: expected pixels of a 224 px frame, found {side}.")
    shop = parts.workshop()
    size = shop.learnt.reader.size
    benchmark = pictures.benchmark(out, (size[0], size[1]))
    path = out / f"patches_{side}_{method}.json"
    condition = attacked(side, method_named(method, shop), patches_in(out, side, method), shop)
    benchmark.numbers("clean")
    for number in tqdm(range(len(benchmark)), unit="picture", leave=False):
        condition.scenes(benchmark, slice(number, number + 1))
    names = [f"{number:06d}" for number in benchmark.numbers("clean").tolist()]
    found = condition.patches(benchmark).of(names)
    found.save(path)
    held = found.patches
    before, after = (sum(getattr(patch, name) for patch in held) / len(held) for name in ("clean", "error"))
    print(
        f"{path}: {len(held)} patches; {condition.attack(benchmark).damage.name}: {before:.1f} mm, then {after:.1f} mm"
    )
    if maps:
        write_maps(benchmark, condition, shop, out, min(maps, len(benchmark)))


def write_maps(benchmark: SynthOcc, condition: Attacked, shop: Workshop, out: Path, count: int) -> None:
    """Error maps of some pictures, and the body coloured by the mean error where a patch hides it."""
    scenes = benchmark.scenes("clean", slice(0, count))
    targets, attack = targets_of(scenes), condition.attack(benchmark)
    boxes = attack.grid.boxes(targets.size)
    found = []
    for row in tqdm(range(count), unit="map", leave=False):
        (one,) = attack.maps(as_method(condition.victim, scenes[row]), only(targets, row))
        found.append(one)
        if row < _DRAWN:
            draw_map(targets.images[row], one, boxes).save(out / f"map_{one.name}.png")
    body = benchmark.source.body
    with torch.no_grad():
        vertices = body(scenes.pictures.pose).vertices
    pixels = scenes.pictures.camera.project(vertices)[..., :2]
    numbered = [type(one)(row, one.name, one.errors, one.clean) for row, one in enumerate(found)]
    errors = vertex_errors(numbered, boxes, pixels, scenes.pictures.visible)
    rest = shop.body.template.cpu()
    write_mesh(out / "sensitivity.glb", rest, body.faces, errors)
    draw_body(rest, body.faces, errors).save(out / "sensitivity.png")
    print(f"{out}: map_*.png of {min(count, _DRAWN)} pictures, sensitivity.glb and .png of {count}")
