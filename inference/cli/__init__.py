"""The command line: names meet objects here and nowhere else."""

from .main import main as main
