"""What is shipped: every package that there is, and nothing else."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
NOT_SHIPPED = {"tests", "benchmarks", "examples", "docs", "build", "dist"}


def packages_in_tree() -> set[str]:
    """Folders of the repository that hold a package."""
    found = {"fanwise"}
    for marker in ROOT.rglob("__init__.py"):
        parts = marker.parent.relative_to(ROOT).parts
        if parts and not parts[0].startswith(".") and parts[0] not in NOT_SHIPPED:
            found.add(".".join(("fanwise", *parts)))
    return found


def test_every_package_is_listed() -> None:
    """An editable install hides a package that is missing from the list; a wheel would lack it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert set(project["tool"]["setuptools"]["packages"]) == packages_in_tree()


@pytest.mark.slow
def test_the_wheel_holds_the_code_and_its_data_alone(tmp_path: Path) -> None:
    """Every module, the typing marker and the workflows are in it; tests and benchmarks are not."""
    source = tmp_path / "source"
    shutil.copytree(ROOT, source, ignore=shutil.ignore_patterns(".*", "build", "dist", "*.egg-info", "__pycache__"))
    options = ["--no-build-isolation", "--no-deps", "--wheel-dir", str(tmp_path)]
    subprocess.run([sys.executable, "-m", "pip", "wheel", *options, str(source)], check=True, capture_output=True)
    names = set(zipfile.ZipFile(next(tmp_path.glob("*.whl"))).namelist())
    modules = {
        f"fanwise/{path.relative_to(ROOT).as_posix()}"
        for package in packages_in_tree() - {"fanwise"}
        for path in (ROOT / Path(*package.split(".")[1:])).glob("*.py")
    }
    data = {f"fanwise/plans/workflows/{path.name}" for path in (ROOT / "plans/workflows").glob("*.yaml")}
    assert modules | data | {"fanwise/state.py", "fanwise/py.typed"} <= names
    assert not [name for name in names if name.split("/")[1] in NOT_SHIPPED]
