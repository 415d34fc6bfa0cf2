"""The user's own specialists, taken from Python files and modules."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from ..schema.errors import FanwiseError

if TYPE_CHECKING:
    from ..nodes.specialist import Specialist


def load_specialists(sources: Iterable[str]) -> list[Specialist]:
    """Return every `Specialist` in the given files and modules.

    Args:
        sources: paths that end in `.py`, or names of modules; modules are looked for in the current folder too.

    Raises:
        FanwiseError: one can't be imported, or holds no specialist.
    """
    from ..nodes.specialist import Specialist, as_specialists

    found: list[Specialist] = []
    for source in dict.fromkeys(sources):
        module = _imported(source)
        items = [item for item in vars(module).values() if isinstance(item, Specialist)]
        if not items:
            raise FanwiseError(
                f"--specialists {source}: it holds no specialist; decorate a function with @specialist('name')"
            )
        found.extend(item for item in items if not any(item is known for known in found))
    as_specialists(found)
    return found


def _imported(source: str) -> ModuleType:
    try:
        return _from_file(Path(source)) if source.endswith(".py") or os.sep in source else _from_name(source)
    except FanwiseError:
        raise
    except (Exception, SystemExit) as error:
        raise FanwiseError(f"--specialists {source}: {_told(error, source)}") from error


def _from_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise FanwiseError(f"--specialists {path}: no such file; give a Python file or the name of a module")
    place = path.resolve()
    name = f"fanwise_user_{place.stem}_{sha256(str(place).encode()).hexdigest()[:8]}"
    spec = importlib.util.spec_from_file_location(name, place)
    if spec is None or spec.loader is None:
        raise FanwiseError(f"--specialists {path}: not a Python file; give one that ends in .py")
    _search(str(place.parent))
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _from_name(name: str) -> ModuleType:
    _search(os.getcwd())
    return importlib.import_module(name)


def _search(folder: str) -> None:
    """Let the user's code import what lies beside it; the standard library goes first."""
    if folder not in sys.path:
        sys.path.append(folder)


def _told(error: BaseException, source: str) -> str:
    if isinstance(error, ModuleNotFoundError) and error.name == source.split(".")[0]:
        return "no such module; give a Python file or a module that can be imported from here"
    trace, line = error.__traceback__, None
    while trace is not None:
        if trace.tb_frame.f_code.co_filename.endswith(os.path.basename(source)):
            line = trace.tb_lineno
        trace = trace.tb_next
    if isinstance(error, SyntaxError):
        line = error.lineno
    place = f", line {line}" if line else ""
    return f"can't be imported: {type(error).__name__}: {error}{place}"
