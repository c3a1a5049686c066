"""``probbody synth``: labelled pictures of bodies, to look at or to learn from."""

import time
from pathlib import Path

import torch
from PIL import Image
from tqdm import tqdm

from probbody.data.files import check_place, refused_kindly, written_whole
from probbody.data.motion import mirrored
from probbody.errors import BadInput
from probbody.synth.backdrops import Backdrops, MixedBackdrops, PhotographBackdrops
from probbody.synth.pictures import Pictures
from probbody.synth.poses import CapturedPoses, Poses, PriorPoses
from probbody.synth.scenery import DrawnBackdrops
from probbody.synth.sheet import contact_sheet, with_labels

from ..learn.picture_pool import fill
from ..learn.pose_data import taught_and_held_out
from .parts import body_named, device_named, prior_named

_SHEET, _PREVIEWS = 64, 8  # pictures: a sheet of more is nothing to look at, and all of it is held at once
_MOST = 2**63 - 1  # numbers of pictures are 64 bits long
_PRIOR = "vae"  # unless told; then it cannot be told from one that was asked for
_PHOTOGRAPHS = 0.75  # of the backdrops, where there are any


def pictures_of(
    data: list[Path], backdrops: Path | None, *, without: tuple[str, ...], only: tuple[str, ...], held_out: bool,
    body: str, prior: str, device: str,
) -> Pictures:  # fmt: skip
    """The generator that the options describe: captured poses or the prior's, photographs and drawn backdrops or these."""
    poses: Poses
    if backdrops is None and (without or only):
        raise BadInput(f"{'--without' if without else '--only'}: expected --backdrops with photographs, found none.")
    if data:
        if prior != _PRIOR:
            raise BadInput(f"--prior: expected none beside --data, which poses come from, found {prior!r}.")
        taught, kept = taught_and_held_out(data)
        chosen = kept if held_out else taught
        if len(chosen) == 0:
            raise BadInput("--held-out: expected takes that are held out in --data, found none.")
        both = torch.cat([chosen.angles, mirrored(chosen.angles)])
        poses = CapturedPoses(both, chosen.chances.repeat(2))
    elif held_out:
        raise BadInput("--held-out: expected --data with captured motion, found none.")
    else:
        poses = PriorPoses(prior_named(prior))
    scenery: Backdrops = DrawnBackdrops()
    if backdrops is not None:
        photographs = PhotographBackdrops.of_folder(backdrops, without, only)
        scenery = MixedBackdrops((photographs, scenery), (_PHOTOGRAPHS, 1 - _PHOTOGRAPHS))
    return Pictures(body_named(body).to(device_named(device)), poses, scenery)


def run_synth(pictures: Pictures, *, n: int, seed: int, first: int, out: Path | None, pool: Path | None) -> None:
    """Fill a pool, or write a contact sheet of the first 64 pictures and some labelled previews."""
    if first > _MOST - n:
        raise BadInput(f"--first: expected at most {_MOST - n} for {n} pictures, found {first}.")
    for place in (pool, out):
        if place is not None:
            check_place(place)
    torch.set_num_threads(1)  # several wait for each other more than they help; run two commands with other --first
    begin = time.perf_counter()
    if pool is not None:
        with tqdm(total=n, unit="picture") as bar:
            drawn = fill(pictures, pool, seed, first, n, told=lambda done: bar.update(done - bar.n))
        each = 1000 * (time.perf_counter() - begin) / max(drawn, 1)
        print(f"{pool}: {n} pictures, {drawn} of them drawn now" + (f", {each:.1f} ms each" if drawn else ""))
    if out is not None:
        with refused_kindly(out):
            out.mkdir(parents=True, exist_ok=True)
        begin = time.perf_counter()
        shown = min(n, _SHEET)
        drawn_now = pictures.draw(seed, torch.arange(first, first + shown))
        each = 1000 * (time.perf_counter() - begin) / shown
        _save(contact_sheet(drawn_now.images), out / "sheet.png")
        for row in range(min(n, _PREVIEWS)):
            _save(with_labels(drawn_now, row, pictures.body), out / f"labels_{first + row:06d}.png")
        told = f"{n} pictures" if n == shown else f"the first {shown} of {n} pictures"
        print(f"{out}: sheet.png with {told}, {min(n, _PREVIEWS)} labelled ones, {each:.1f} ms each")


def _save(picture: Image.Image, path: Path) -> None:
    with written_whole(path) as temporary:
        picture.save(temporary)
