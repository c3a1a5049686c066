"""``probbody``: what a person can ask from a shell."""

import contextlib
import errno
import math
import os
import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from probbody.errors import BadInput

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Fit articulated bodies to images, and say honestly what was not seen.",
    epilog="Exit codes: 0 done; 1 the doctor found what would fail; "
    "2 an input that cannot be used or an interruption, told in one sentence.",
)
train = typer.Typer(no_args_is_help=True, help="Train parts that ship, from data and a seed.")
app.add_typer(train, name="train")

Body = Annotated[str, typer.Option(help="coarse, fine, or a file of the SMPL family (.npz, .pkl).")]
Prior = Annotated[str, typer.Option(help="vae, freed, mixture or gaussian.")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda, ...")]
Seed = Annotated[int, typer.Option(min=0, max=(1 << 63) - 1, help="Of every random draw.")]
Focal = Annotated[float | None, typer.Option(min=1.0, max=1e6, help="Focal length in pixels, where it is known.")]
Starts = Annotated[int, typer.Option(min=1, help="How many orientations to start from; from pixels at most 4.")]
Steps = Annotated[int | None, typer.Option(min=2, help="Steps of the optimiser; as many as usual without it.")]
Boxes = Annotated[
    list[str], typer.Option("--box", help="left,top,right,bottom of a person; may be given several times.")
]
Meshes = Annotated[list[str], typer.Option("--mesh", help="glb, obj, ply; may be given several times.")]


@app.command()
def fit(
    image: Annotated[Path | None, typer.Argument(help="A picture, or a folder of pictures.")] = None,
    keypoints: Annotated[Path | None, typer.Option(help="OpenPose or COCO JSON, or a folder of such files.")] = None,
    box: Boxes = [],  # noqa: B006  typer reads the default, nobody changes it
    mask: Annotated[
        Path | None, typer.Option(help="A picture that is bright where the person is, or a folder.")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", "--out_folder", help="Where results go.")] = None,
    img_folder: Annotated[Path | None, typer.Option("--img_folder", help="The same as IMAGE, for a folder.")] = None,
    model: Annotated[str | None, typer.Option(help="nbv, neural-smpl or keypoints; nbv without keypoints.")] = None,
    features: Annotated[Path | None, typer.Option(help="Learnt features, instead of those that ship.")] = None,
    two_networks: Annotated[
        bool,
        typer.Option(
            "--two-networks",
            help="Read with the second network that ships, too: slower; better on photographs, not on drawings.",
        ),
    ] = False,
    body: Body = "coarse",
    prior: Prior = "vae",
    layout: Annotated[str | None, typer.Option(help="Joint set of the keypoints, where the file does not say.")] = None,
    device: Device = "auto",
    seed: Seed = 0,
    focal: Focal = None,
    starts: Starts = 4,
    steps: Steps = None,
    mesh: Meshes = ["glb"],  # noqa: B006  typer reads the default, nobody changes it
    again: Annotated[bool, typer.Option("--again", help="Fit pictures that were finished before once more.")] = False,
) -> None:
    """Fit bodies to people in a picture, or in a folder of pictures: to their keypoints, or to the pixels themselves.

    Without keypoints there is one person, in the box, in the mask, or else wherever in the picture.
    """
    from .fit import Asked, run_fit
    from .people import Settings
    from .pixels import Where

    if image is not None and img_folder is not None:
        raise BadInput(f"fit: expected IMAGE or --img_folder, found both, {image} and {img_folder}.")
    source = image or img_folder
    if source is None or out is None:
        missing = [name for name, value in (("IMAGE", source), ("--out", out)) if not value]
        raise BadInput(f"fit: expected a picture and a place for results, found no {', '.join(missing)}.")
    if focal is not None and not math.isfinite(focal):
        raise BadInput(f"--focal: expected a length in pixels, found {focal}.")
    run_fit(
        source,
        keypoints,
        out,
        asked=Asked(model, body, prior, features, device, two_networks),
        where=Where(layout=layout, boxes=tuple(box), mask=mask),
        settings=Settings(focal, starts, steps, seed),
        meshes=tuple(mesh),
        again=again,
    )


@app.command()
def demo(
    out: Annotated[Path, typer.Option("--out", help="Where results go.")] = Path("demo"),
    device: Device = "auto",
    seed: Seed = 0,
) -> None:
    """Fit the picture that ships: no account, no download, no GPU."""
    from .demo import run_demo

    run_demo(out, device=device, seed=seed)


@app.command()
def synth(
    n: Annotated[int, typer.Option("--n", min=1, help="How many pictures.")] = 64,
    out: Annotated[
        Path | None, typer.Option("--out", help="Where a sheet of the first 64 and labelled previews go.")
    ] = None,
    pool: Annotated[Path | None, typer.Option("--pool", help="Where pictures to learn from are kept.")] = None,
    data: Annotated[list[Path], typer.Option("--data", help="Captured motion in place of a prior's poses.")] = [],  # noqa: B006
    backdrops: Annotated[Path | None, typer.Option("--backdrops", help="A folder of photographs.")] = None,
    without: Annotated[list[str], typer.Option("--without", help="Not photographs with such names.")] = [],  # noqa: B006
    only: Annotated[list[str], typer.Option("--only", help="Photographs with such names alone.")] = [],  # noqa: B006
    held_out: Annotated[bool, typer.Option("--held-out", help="Poses of the takes that nothing learns from.")] = False,
    first: Annotated[int, typer.Option("--first", min=0, help="The number of the first picture.")] = 0,
    seed: Seed = 0,
    body: Body = "coarse",
    prior: Prior = "vae",
    device: Device = "cpu",
) -> None:
    """Draw labelled pictures of people: a contact sheet (--out), or a pool to learn from (--pool)."""
    from .synth import pictures_of, run_synth

    if out is None and pool is None:
        raise BadInput("synth: expected a place for pictures, found neither --out nor --pool.")
    pictures = pictures_of(
        data, backdrops, without=tuple(without), only=tuple(only), held_out=held_out, body=body, prior=prior,
        device=device,
    )  # fmt: skip
    run_synth(pictures, n=n, seed=seed, first=first, out=out, pool=pool)


Folder = Annotated[Path, typer.Option("--out", help="Where results go; a run that was stopped goes on from there.")]
SetOrData = Annotated[
    str,
    typer.Option(
        "--set",
        help="small (64 pictures of each kind), standard (1,000) or large (10,000) of SynthOcc; or with --folder a data set:"
        " 3dpw, 3dpw-occ, h36m-p1, h36m-p2, 3dhp, coco-eft, 3doh.",
    ),
]
Few = Annotated[
    str | None,
    typer.Option("--pictures", help="N, the first so many pictures of the set alone, or a part, FIRST:LAST."),
]
Motion = Annotated[list[Path], typer.Option("--data", help="Captured motion, with --backdrops: real poses.")]
Scenery = Annotated[Path | None, typer.Option("--backdrops", help="A folder of photographs, with --data.")]
Names = Annotated[list[str], typer.Option("--only", help="Photographs whose names begin so alone.")]
SetFolder = Annotated[Path | None, typer.Option("--folder", help="Where the data set of --set is.")]
Truth = Annotated[Path | None, typer.Option("--smpl", help="SMPL files and J_regressor_h36m.npy: the truth of a set.")]
Patchwork = Annotated[Path | None, typer.Option("--textures", help="Photographs that patches are cut from.")]


@app.command("eval")
def evaluate(
    out: Folder,
    method: Annotated[list[str], typer.Option("--method", help="Such as nbv; may be given several times.")] = [],  # noqa: B006
    table: Annotated[int | None, typer.Option("--table", help="1, 2 or 3: the papers' tables.")] = None,
    extent: SetOrData = "small",
    folder: SetFolder = None,
    smpl: Truth = None,
    condition: Annotated[list[str], typer.Option("--condition", help="clean, natural, @40 or @80.")] = [],  # noqa: B006
    attack: Annotated[str, typer.Option(help="The method that patches are to harm.")] = "regressor",
    textures: Patchwork = None,
    patches: Annotated[list[Path], typer.Option(help="What adv-occ found, to be pasted without another search.")] = [],  # noqa: B006
    features: Annotated[Path | None, typer.Option(help="Learnt features, instead of those that ship.")] = None,
    beside: Annotated[list[str], typer.Option(help="NAME=FILE: other features to run 3DNBF with.")] = [],  # noqa: B006
    results: Annotated[list[str], typer.Option(help="NAME=FILE: what another program saved.")] = [],  # noqa: B006
    start: Annotated[str | None, typer.Option(help="Which of --results fits start from.")] = None,
    against: Annotated[
        Path | None, typer.Option(help="results.json (or .json.gz) of an earlier run, to compare with.")
    ] = None,
    write_pictures: Annotated[Path | None, typer.Option(help="Only write the pictures, for other programs.")] = None,
    pictures: Few = None,
    data: Motion = [],  # noqa: B006
    backdrops: Scenery = None,
    only: Names = [],  # noqa: B006
    prior: Prior = "vae",
    steps: Steps = None,
    at_once: Annotated[int, typer.Option(min=1, help="Pictures that a method sees together.")] = 16,
    jobs: Annotated[int, typer.Option(min=1, help="Processes that share the pictures.")] = 1,
    seed: Seed = 2,
    device: Device = "auto",
) -> None:
    """Measure methods on SynthOcc, an open benchmark of hidden people, or on a data set: tables, CSV, JSON, a report."""
    from .compared import Parts, Pictures, part_told
    from .evaluate import Asked, run_eval

    run_eval(
        Asked(
            out,
            tuple(method),
            table,
            tuple(condition),
            attack,
            at_once,
            jobs,
            against,
            write_pictures,
            textures,
            tuple(patches),
        ),
        Pictures(extent, part_told(pictures), seed, tuple(data), backdrops, tuple(only), folder, smpl),
        Parts(features, tuple(beside), tuple(results), start, prior, steps, device),
    )


@app.command()
def join(
    cards: Annotated[
        list[Path], typer.Argument(help="results.json (or .json.gz) of parts of SynthOcc: --pictures FIRST:LAST.")
    ],
    out: Annotated[Path, typer.Option("--out", help="Where the results on all of them go.")],
) -> None:
    """Join results of parts of SynthOcc that were measured apart, such as on several machines."""
    from .join import run_join

    run_join(cards, out)


@app.command("adv-occ")
def adv_occ(
    out: Folder,
    method: Annotated[str, typer.Option(help="Whom the patches are to harm.")] = "regressor",
    side: Annotated[int, typer.Option(help="Of the patches, pixels of a 224 px frame.")] = 80,
    maps: Annotated[int, typer.Option(min=0, help="Also draw where it hurts, on the first so many pictures.")] = 0,
    textures: Patchwork = None,
    extent: SetOrData = "small",
    folder: SetFolder = None,
    smpl: Truth = None,
    pictures: Few = None,
    data: Motion = [],  # noqa: B006
    backdrops: Scenery = None,
    only: Names = [],  # noqa: B006
    features: Annotated[Path | None, typer.Option(help="Learnt features, instead of those that ship.")] = None,
    prior: Prior = "vae",
    steps: Steps = None,
    at_once: Annotated[int, typer.Option(min=1, help="Versions of a picture that the method sees together.")] = 64,
    seed: Seed = 2,
    device: Device = "auto",
) -> None:
    """Find the patches that harm a method most, on SynthOcc or a data set, and where on the body it hurts to be hidden."""
    from .adversary import Wanted, run_adv_occ
    from .compared import Parts, Pictures, part_told

    run_adv_occ(
        Pictures(extent, part_told(pictures), seed, tuple(data), backdrops, tuple(only), folder, smpl),
        Parts(features, prior=prior, steps=steps, device=device),
        Wanted(method, side, out, maps, textures, at_once),
    )


@app.command()
def doctor() -> None:
    """Say what is installed, which assets there are, which devices, what would fail and how to mend it."""
    from .doctor import run_doctor

    raise typer.Exit(run_doctor())


@app.command("import-smpl")
def import_smpl(
    file: Annotated[Path, typer.Argument(help="A licensed SMPL, SMPL-H, SMPL-X or MANO file (.npz, .pkl).")],
    cache: Annotated[Path | None, typer.Option(help="Where the clean file goes, instead of the user's cache.")] = None,
) -> None:
    """Validate a licensed body file, and keep a clean copy of it in your own cache."""
    from .smpl_file import run_import

    run_import(file, cache)


Data = Annotated[list[Path], typer.Argument(help="Motion files (.npz, .bvh), or folders of them.")]
Licence = Annotated[str, typer.Option(help="The licence of the data, kept with the weights.")]


@train.command("pose-prior")
def pose_prior(
    data: Data,
    out: Annotated[Path, typer.Option("--out", help="The weights to write (.safetensors).")],
    seed: Seed = 0,
    steps: Annotated[int | None, typer.Option(min=1, help="Steps of training; the recipe's own without it.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the checkpoint beside --out.")] = False,
    licence: Licence = "not stated",
) -> None:
    """Train the variational pose prior on motion capture; the same data and seed give the same weights."""
    from .train import run_train_pose_prior

    run_train_pose_prior(data, out, seed=seed, steps=steps, resume=resume, licence=licence)


@train.command("pose-freedom")
def pose_freedom(
    data: Data,
    out: Annotated[Path, typer.Option("--out", help="The spread to write (.safetensors).")],
    seed: Seed = 0,
    steps: Annotated[int | None, typer.Option(min=1, help="Steps of training; the recipe's own without it.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the checkpoint beside --out.")] = False,
    licence: Licence = "not stated",
) -> None:
    """Learn how far joints may leave the variational prior, by takes that it did not learn from."""
    from .train import run_train_pose_freedom

    run_train_pose_freedom(data, out, seed=seed, steps=steps, resume=resume, licence=licence)


@train.command("pose-densities")
def pose_densities(
    data: Data,
    out: Annotated[Path, typer.Option("--out", help="The folder to write to.")],
    seed: Seed = 0,
    licence: Licence = "not stated",
) -> None:
    """Fit the Gaussian and the mixture of poses, and the joint limits."""
    from .train import run_train_pose_densities

    run_train_pose_densities(data, out, seed=seed, licence=licence)


@train.command("features")
def features(
    data: Annotated[Path, typer.Option("--data", help="A pool of pictures to learn from: see synth --pool.")],
    validation: Annotated[Path, typer.Option(help="A pool of pictures that are not learnt from.")],
    out: Annotated[Path, typer.Option("--out", help="The features to write (.safetensors), and their card.")],
    steps: Annotated[int, typer.Option(min=1, help="Steps of training.")] = 9_000,
    batch: Annotated[int, typer.Option(min=2, help="Pictures a step.")] = 32,
    rate: Annotated[float, typer.Option(min=0.0, help="The greatest rate of the optimiser.")] = 2e-3,
    seed: Seed = 0,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the checkpoint beside --out.")] = False,
    finish: Annotated[bool, typer.Option("--finish", help="Write features from the checkpoint as it is.")] = False,
    begin: Annotated[
        Path | None, typer.Option("--begin-with", help="Learnt features, or a checkpoint, to start from.")
    ] = None,
    without_contrast: Annotated[bool, typer.Option(help="Features that only regression shapes.")] = False,
    directions: Annotated[int, typer.Option(min=1, help="Of limbs, that features are told apart by.")] = 4,
    network: Annotated[
        str, typer.Option(help="small; slim, to stand beside another; or resnet50: the paper's.")
    ] = "small",
    backbone: Annotated[Path | None, typer.Option(help="Weights (.safetensors) that a resnet50 begins with.")] = None,
    together: Annotated[
        bool, typer.Option("--together", help="With others that torchrun or accelerate launch started.")
    ] = False,
    device: Device = "auto",
    licence: Licence = "not stated",
) -> None:
    """Train the reader of pictures, and fit what its features say of a body, on drawn pictures."""
    from ..learn.feature_settings import ContrastWeights, FeatureTraining
    from .features import How, run_train_features

    if network not in ("small", "slim", "resnet50"):
        raise BadInput(f"--network: expected small, slim or resnet50, found {network!r}.")
    training = FeatureTraining(
        steps=steps, batch=batch, rate=rate, seed=seed, directions=directions,
        contrast=None if without_contrast else ContrastWeights(),
    )  # fmt: skip
    how = How(resume, finish, begin, together, device, network, backbone, licence)  # type: ignore[arg-type]
    run_train_features(data, out, validation, training, how)


def main() -> None:
    """Run the command line: a bad input and an interruption are one sentence and exit code 2."""
    try:
        code = app(standalone_mode=False)
        if code == 130:  # typer makes an exit code of an interruption
            raise KeyboardInterrupt
        sys.stdout.flush()
    except BadInput as error:
        print(f"probbody: {error}", file=sys.stderr)
        sys.exit(2)
    except (KeyboardInterrupt, typer.Abort):
        print("probbody: interrupted; what was finished is kept, and the next run goes on from there.", file=sys.stderr)
        sys.exit(2)
    except FloatingPointError as error:
        print(f"probbody: {error}{'' if str(error).endswith('.') else '.'}", file=sys.stderr)
        sys.exit(2)
    except SystemExit:  # typer makes an exit of a pipe that nobody reads
        _not_heard(os.strerror(errno.EPIPE))
    except OSError as error:
        if error.filename is None:
            _not_heard(error.strerror or str(error))
        print(f"probbody: {error.filename}: cannot be read or written ({error.strerror}).", file=sys.stderr)
        sys.exit(2)
    except Exception as error:
        if not hasattr(error, "format_message"):  # a usage error, of click or of the copy of it inside typer
            raise
        if "Help" in type(error).__name__:  # nothing was asked, so that the help is the answer
            error.show()  # type: ignore[attr-defined]
        else:
            told = error.format_message()
            print(f"probbody: {told}{'' if told.endswith(('.', '?')) else '.'}", file=sys.stderr)
        sys.exit(2)
    sys.exit(code or 0)


def _not_heard(cause: str) -> NoReturn:
    """The end of a run whose words cannot be written down."""
    with contextlib.suppress(OSError):  # nobody may read the errors either
        print(f"probbody: standard output: cannot be written ({cause}).", file=sys.stderr)
    with contextlib.suppress(OSError):  # what was not written is tried again at the very end, and would fail again
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(2)
