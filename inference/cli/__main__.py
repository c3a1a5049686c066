"""``python -m probbody.inference.cli``, where the command ``probbody`` is not on the path."""

from . import main

main()
