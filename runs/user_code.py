"""The user's own specialists and reducers, taken from Python files and modules."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from collections.abc import Callable, Iterable
from hashlib import sha256
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, NamedTuple

from ..nodes.specialists.equipment import NOTHING, Equipment
from ..schema.errors import FanwiseError

if TYPE_CHECKING:
    from ..nodes.specialist import Specialist
    from ..reducers.own import Reducer


class OwnCode(NamedTuple):
    """What a user's own code brings."""

    specialists: list[Specialist]
    reducers: list[Reducer]

    @property
    def functions(self) -> frozenset[str]:
        """The names by which plans can ask for the reducers."""
        return frozenset(item.name for item in self.reducers)


def load_code(sources: Iterable[str], equipment: Callable[[], Equipment] = lambda: NOTHING) -> OwnCode:
    """Return every `Specialist` and every `Reducer` in the given files and modules.

    Args:
        sources: paths that end in `.py`, or names of modules; modules are looked for in the current folder too. Paths
            that end in `.yaml` hold one specialist each, described and not programmed.
        equipment: what those may use.

    Raises:
        FanwiseError: one can't be imported, holds neither, or two have one name.
    """
    from ..nodes.specialist import Specialist, as_specialists
    from ..reducers.own import Reducer, by_name

    own = OwnCode([], [])
    for source in dict.fromkeys(sources):
        if source.endswith((".yaml", ".yml")):
            own.specialists.append(_described(source, equipment()))
            continue
        module = _imported(source)
        items = list({id(item): item for item in vars(module).values()}.values())
        specialists = [item for item in items if isinstance(item, Specialist)]
        reducers = [item for item in items if isinstance(item, Reducer)]
        if not specialists and not reducers:
            raise FanwiseError(
                f"--specialists {source}: it holds no specialist and no reducer; decorate a function with "
                "@specialist('name') or @reducer('name')"
            )
        own.specialists.extend(item for item in specialists if not any(item is known for known in own.specialists))
        own.reducers.extend(item for item in reducers if not any(item is known for known in own.reducers))
    as_specialists(own.specialists)
    by_name(own.reducers)
    return own


def _described(source: str, equipment: Equipment) -> Specialist:
    from ..nodes.specialists.llm.from_file import load_specialist_file

    return load_specialist_file(Path(source), equipment)


def _imported(source: str) -> ModuleType:
    is_file = source.endswith(".py") or os.sep in source
    if is_file and not Path(source).is_file():
        raise FanwiseError(f"--specialists {source}: no such file; give a Python file or the name of a module")
    try:
        return _from_file(Path(source)) if is_file else _from_name(source)
    except (Exception, SystemExit) as error:
        raise FanwiseError(f"--specialists {source}: {_told(error, source)}") from error


def _from_file(path: Path) -> ModuleType:
    place = path.resolve()
    name = f"fanwise_user_{place.stem}_{sha256(str(place).encode()).hexdigest()[:8]}"
    spec = importlib.util.spec_from_file_location(name, place)
    if spec is None or spec.loader is None:
        raise FanwiseError("not a Python file; give one that ends in .py")
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
    if isinstance(error, FanwiseError):
        return f"line {line}: {error}" if line else str(error)
    return f"can't be imported: {type(error).__name__}: {error}{place}"
