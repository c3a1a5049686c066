"""What the README shows runs as it stands."""

import re
from pathlib import Path

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")


def test_its_python_runs() -> None:
    blocks = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    assert len(blocks) == 3
    names: dict[str, object] = {}
    exec(compile(blocks[0], "README.md", "exec"), names)
    assert bool(names["fit"].converged.all())
    exec(compile(blocks[1], "README.md", "exec"), names)
    assert bool(names["fit"].loss.isfinite().all())
    exec(compile(blocks[2], "README.md", "exec"), names)
    assert bool((names["fit"].evidence > 100).all())


def test_what_it_names_exists() -> None:
    root = Path(__file__).parents[1]
    for link in re.findall(r"\]\(([^)#]+)\)", README):
        assert link.startswith("http") or (root / link).exists(), link
