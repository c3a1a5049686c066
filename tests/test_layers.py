"""The floors are a test: a file imports only from its own room or from lower floors."""

import ast
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FLOORS = [
    ["probbody.errors", "probbody.quantities", "probbody.contracts"],
    [
        "probbody.geometry",
        "probbody.densities",
        "probbody.observation",
        "probbody.assets",
        "probbody.bodies.joints",  # names and orders of points: words that everybody shares
    ],
    [
        "probbody.bodies",
        "probbody.render",
        "probbody.features",
        "probbody.priors",
        "probbody.data",
        "probbody.metrics",
        "probbody.adversary",
        "probbody.pictures",
        "probbody.maps",
        "probbody.synth",
        "probbody.synthocc",
        "probbody.extractors",
    ],
    ["probbody.models"],
    ["probbody.inference"],
    ["probbody.systems"],  # whole systems as functions, for the command line, examples and benchmarks
    ["probbody.inference.cli", "probbody.assets.build_demo"],
]
ROOMS = {"probbody": ROOT / "probbody", "probbody.models": ROOT / "models", "probbody.inference": ROOT / "inference"}
# inside one floor, a room may use these others of the same floor
NEIGHBOURS = {
    ("probbody.bodies", "probbody.data"),
    ("probbody.priors", "probbody.data"),
    ("probbody.pictures", "probbody.bodies"),
    ("probbody.maps", "probbody.pictures"),
    ("probbody.synth", "probbody.bodies"),
    ("probbody.synth", "probbody.render"),
    ("probbody.synth", "probbody.pictures"),
    ("probbody.adversary", "probbody.metrics"),
    ("probbody.adversary", "probbody.pictures"),
    ("probbody.adversary", "probbody.data"),
    ("probbody.synthocc", "probbody.synth"),
    ("probbody.synthocc", "probbody.adversary"),
    ("probbody.synthocc", "probbody.bodies"),
    ("probbody.synthocc", "probbody.priors"),
    ("probbody.synthocc", "probbody.data"),
    ("probbody.extractors", "probbody.priors"),  # weights on disk
    ("probbody.extractors", "probbody.features"),
}


def modules() -> dict[str, Path]:
    found = {}
    for name, folder in ROOMS.items():
        for path in sorted(folder.rglob("*.py")):
            inside = path.relative_to(folder)
            if name == "probbody" and inside.parts[0] in ("models", "inference"):
                continue
            parts = [name, *inside.with_suffix("").parts]
            found[".".join(parts).removesuffix(".__init__")] = path
    return found


FILES = modules()


def floor(module: str) -> tuple[int, str] | None:
    """The height of a module and the room it belongs to: the longest name that fits."""
    fitting = [
        (len(room), height, room)
        for height, rooms in enumerate(FLOORS)
        for room in rooms
        if module == room or module.startswith(room + ".")
    ]
    return max(fitting)[1:] if fitting else None


def imports(module: str, path: Path) -> list[str]:
    names: list[str] = []
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*above, base]).rstrip(".")
            names += [f"{base}.{alias.name}" for alias in node.names]
    return [name for name in names if name.startswith("probbody")]


@pytest.mark.parametrize("module", FILES)
def test_a_file_imports_only_downwards(module: str) -> None:
    here = floor(module)
    if here is None:
        assert module == "probbody", f"{module} stands on no floor; give it one"
        return
    for name in imports(module, FILES[module]):
        there = floor(name)
        assert there is not None, f"{module} imports {name}, which stands on no floor"
        if there[1] == here[1] or (here[1], there[1]) in NEIGHBOURS:
            continue
        assert there[0] < here[0] or (there[0] == here[0] and here[0] <= 1), f"{module} imports {name} from above"


def test_only_the_command_line_knows_the_models() -> None:
    for module, path in FILES.items():
        if module.startswith("probbody.inference") and not module.startswith("probbody.inference.cli"):
            named = imports(module, path)
            assert not any(name.startswith(("probbody.models", "probbody.systems")) for name in named), module


def test_models_stand_on_contracts_alone() -> None:
    for module, path in FILES.items():
        if module.startswith("probbody.models"):
            for name in imports(module, path):
                assert not name.startswith(("probbody.bodies", "probbody.render")), f"{module} imports {name}"


def test_every_folder_with_code_is_packed() -> None:
    packed = set(tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"])
    folders = {module if path.name == "__init__.py" else module.rpartition(".")[0] for module, path in FILES.items()}
    assert folders == packed
