"""How quickly bodies are drawn, as volumes and as meshes, and how true the pictures are.

    python benchmarks/renderer_speed.py [--quick]

What is measured stands in ``speed_of_volumes.py`` and ``speed_of_meshes.py`` beside this one; the exit code is 1 where a target
is missed.
"""

import argparse
import sys
import time

import speed_of_meshes
import speed_of_volumes
import torch


def main() -> int:
    """Prints the tables, then the targets."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="little of everything, in about a minute")
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(f"renderers{' (quick)' if options.quick else ''}: torch {torch.__version__}, one thread")
    targets = []
    for section in (speed_of_volumes, speed_of_meshes):
        begun = time.process_time()
        targets += section.measure(options.quick)
        print(f"({time.process_time() - begun:.0f} s of CPU time)", flush=True)
    print()
    for target in targets:
        print(target)
    return int(any(not target.held for target in targets))


if __name__ == "__main__":
    sys.exit(main())
