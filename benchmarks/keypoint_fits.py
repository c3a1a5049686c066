"""How well bodies are found from keypoints: photographs, real cameras, captured poses, and how quickly.

    python benchmarks/keypoint_fits.py [--quick] [--data FOLDER] [--pictures FOLDER]

FOLDER of the data holds ``photos``, ``multiview`` and ``mocap``. What is measured stands in the files beside this one; the
exit code is 1 where a target is missed, or where data is missing without ``--quick``.
"""

import argparse
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import fits_of_a_rig
import fits_of_captured_poses
import fits_of_photographs
import speed_of_fits
import torch
from verdicts import Target


def main() -> int:
    """Prints the tables, then the targets."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="little of everything, in about a minute")
    parser.add_argument("--data", type=Path, default=None, help="the folder with photos, multiview and mocap")
    parser.add_argument("--pictures", type=Path, default=None, help="where to put the sheets of the photographs")
    options = parser.parse_args()
    torch.set_num_threads(1)
    beside = Path(__file__).parents[1] / ".." / "shared" / "data"
    data = options.data or Path(os.environ.get("PROBBODY_DATA", beside))
    if options.pictures:
        options.pictures.mkdir(parents=True, exist_ok=True)
    sections: dict[str, Callable[[], list[Target]]] = {
        "photos": lambda: fits_of_photographs.measure(data, options.quick, options.pictures),
        "multiview": lambda: fits_of_a_rig.measure(data, options.quick),
        "mocap": lambda: fits_of_captured_poses.measure(data, options.quick),
        "": lambda: speed_of_fits.measure(options.quick),
    }
    print(f"fits to keypoints{' (quick)' if options.quick else ''}: torch {torch.__version__}, one thread")
    targets: list[Target] = []
    absent = 0
    for folder, measure in sections.items():
        if not (data / folder).exists() and folder:
            print(f"\n{folder}: the data folder has no such folder; passed over")
            absent += 1
            continue
        begun = time.process_time()
        targets += measure()
        print(f"({time.process_time() - begun:.0f} s of CPU time)", flush=True)
    print()
    for target in targets:
        print(target)
    return int(any(not target.held for target in targets) or (absent > 0 and not options.quick))


if __name__ == "__main__":
    sys.exit(main())
