"""Tools of agents: the borders of the workspace, bounded results, programs that end."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
from langchain_core.tools import BaseTool, ToolException
from served import NO_PLUGINS

from fanwise.nodes.tools import files, processes
from fanwise.nodes.tools.commands import command_tool, split_command
from fanwise.nodes.tools.files import reading_tools, writing_tools
from fanwise.nodes.tools.processes import clean_environment, run_program
from fanwise.nodes.tools.pytest_runner import run_pytest
from fanwise.nodes.tools.workspace import BorderError, Workspace
from fanwise.state import FanwiseError


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A folder that is not to be touched."""
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "secret.txt").write_text("secret")
    return folder


@pytest.fixture
def workspace(tmp_path: Path, outside: Path) -> Workspace:
    """A workspace with files, links that lead out of it, and one that does not."""
    root = tmp_path / "work"
    (root / "src").mkdir(parents=True)
    (root / ".git").mkdir()
    (root / ".git" / "config").write_text("[remote]")
    (root / "src" / "app.py").write_text("import os\n\nNAME = 'app'\n")
    (root / "inside.py").symlink_to("src/app.py")
    (root / "file_out").symlink_to(outside / "secret.txt")
    (root / "folder_out").symlink_to(outside)
    (root / "nowhere").symlink_to(outside / "new.txt")
    (root / "circle").symlink_to("circle")
    return Workspace(root)


def call(tool: BaseTool, **args: Any) -> str:
    """Call a tool as an agent does."""
    return str(asyncio.run(tool.ainvoke(args)))


def tools_of(workspace: Workspace, *only: str) -> dict[str, BaseTool]:
    return {tool.name: tool for tool in [*reading_tools(workspace), *writing_tools(workspace, only)]}


LEADING_OUT = [
    "..",
    "../outside/secret.txt",
    "src/../../outside/secret.txt",
    "/etc/passwd",
    "file_out",
    "folder_out/secret.txt",
    "folder_out/new.txt",
    "nowhere",
    "src/../folder_out/secret.txt",
]


@pytest.mark.parametrize("path", [*LEADING_OUT, ".git/config", "src/../.git/config", ".GIT/hooks/post-commit", "a\0b"])
def test_no_path_leads_out(workspace: Workspace, outside: Path, path: str) -> None:
    """Neither to read nor to write, neither by dots, nor absolute, nor by links of files or folders."""
    tools = tools_of(workspace, path, "folder_out/new.txt")
    with pytest.raises(BorderError):
        call(tools["read_file"], path=path)
    with pytest.raises(BorderError):
        call(tools["write_file"], path=path, content="changed")
    with pytest.raises(BorderError):
        call(tools["list_files"], folder=path)
    with pytest.raises(BorderError):
        workspace.write(path, b"changed")
    assert [(file.name, file.read_text()) for file in outside.iterdir()] == [("secret.txt", "secret")]
    assert (workspace.root / ".git" / "config").read_text() == "[remote]"


def test_messages_say_what_to_do(workspace: Workspace) -> None:
    """Each names the path."""
    with pytest.raises(BorderError, match=r"'\.\./x' leads out of the workspace; give a path inside it, such as"):
        workspace.locate("../x")
    with pytest.raises(ToolException, match=r"'circle' (is no path|can't be read)"):
        workspace.read_text("circle")
    with pytest.raises(FanwiseError, match=r"workspace '/nowhere/at/all': No such file or directory; give an existing"):
        Workspace("/nowhere/at/all")
    with pytest.raises(FanwiseError, match="is not a folder"):
        Workspace(workspace.root / "src/app.py")


def test_a_link_that_is_put_there_in_between_leads_nowhere(
    workspace: Workspace, outside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The path was checked, and then a folder and a file of it became links."""
    locate = Workspace.locate

    def swapped(self: Workspace, path: str) -> str:
        inside = locate(self, path)
        (self.root / "src" / "app.py").unlink(missing_ok=True)
        if "/" in path:
            (self.root / "src").rmdir()
            (self.root / "src").symlink_to(outside)
        else:
            (self.root / path).symlink_to(outside / "secret.txt")
        return inside

    monkeypatch.setattr(Workspace, "locate", swapped)
    with pytest.raises(ToolException, match="can't be read: Too many levels of symbolic links"):
        workspace.read_bytes("new.py")
    with pytest.raises(ToolException, match=r"'src/secret\.txt' can't be reached: 'src': Not a directory"):
        workspace.read_bytes("src/secret.txt")


def test_writing_replaces_a_link_and_never_what_it_leads_to(workspace: Workspace, outside: Path) -> None:
    """A hard link to a file outside is cut; a link inside is followed; the mode stays."""
    os.link(outside / "secret.txt", workspace.root / "hard.txt")
    workspace.write("hard.txt", b"new")
    assert (outside / "secret.txt").read_text() == "secret"
    (workspace.root / "src/app.py").chmod(0o750)
    workspace.write("inside.py", b"A = 1\n")
    assert (workspace.root / "src/app.py").read_text() == "A = 1\n" and (workspace.root / "inside.py").is_symlink()
    assert (workspace.root / "src/app.py").stat().st_mode & 0o777 == 0o750
    assert workspace.write(str(workspace.root / "deep/er/x.py"), b"") == "deep/er/x.py"
    assert not [path for path in workspace.root.rglob("*.tmp")]


def test_what_is_no_text_is_refused(workspace: Workspace) -> None:
    """Binary files, other encodings, large files, folders, pipes that would wait for a writer."""
    (workspace.root / "b.bin").write_bytes(b"a\0b")
    (workspace.root / "latin.txt").write_bytes("für".encode("latin-1"))
    (workspace.root / "large.txt").write_bytes(b"x" * 2_000_001)
    os.mkfifo(workspace.root / "pipe")
    for path, said in {
        "b.bin": "is a binary file",
        "latin.txt": r"is no text in UTF-8 \(byte 1\)",
        "large.txt": "is larger than 2,000,000 bytes",
        "src": "is no file",
        ".": "is no file",
        "pipe": "is no file",
        "none.py": "can't be read: No such file",
        "none/none.py": "can't be reached: 'none': No such file",
    }.items():
        with pytest.raises(ToolException, match=said):
            workspace.read_text(path)
    with pytest.raises(ToolException, match="1,000,001 bytes are more than may be written"):
        workspace.write("x", b"x" * 1_000_001)
    with pytest.raises(ToolException, match="is a folder"):
        workspace.write("src", b"")


def test_reading_goes_on_where_it_ended(workspace: Workspace) -> None:
    """Lines have numbers, and what is left is said."""
    (workspace.root / "long.txt").write_text("".join(f"line {n}\n" for n in range(1, 1501)))
    read = tools_of(workspace)["read_file"]
    first = call(read, path="long.txt").splitlines()
    assert first[0] == "1\tline 1" and first[-1] == "[500 more lines; go on with first_line=1001]"
    assert call(read, path="long.txt", first_line=1500) == "1500\tline 1500"
    assert call(read, path="long.txt", first_line=1501) == "[the file has 1,500 lines]"


def test_files_are_found(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """Links are not followed, caches and version control passed over, and both lists are bounded."""
    (workspace.root / "__pycache__").mkdir()
    (workspace.root / "__pycache__" / "app.pyc").write_bytes(b"import")
    tools = tools_of(workspace)
    assert call(tools["list_files"], pattern="*.py") == "inside.py\nsrc/app.py"
    assert call(tools["list_files"], folder="src") == "src/app.py"
    assert call(tools["list_files"], pattern="*.js") == "[no files]"
    assert call(tools["search_files"], text="IMPORT OS", folder="src") == "src/app.py:1:import os"
    assert call(tools["search_files"], text="secret") == "[nothing found]"
    assert call(tools["search_files"], text="(a+)+$") == "[nothing found]"
    monkeypatch.setattr(files, "MATCHES", 1)
    monkeypatch.setattr(files, "LISTED", 1)
    assert call(tools["search_files"], text="os").endswith("[there are more; name a folder or a pattern]")
    assert call(tools["list_files"]).endswith("[there are more; name a folder or a pattern]")


def test_edits_are_exact(workspace: Workspace) -> None:
    """A piece stands there once; lines keep their ends; a task writes its own files alone."""
    tools = tools_of(workspace, "src/app.py")
    edit = tools["edit_file"]
    (workspace.root / "src/app.py").write_bytes(b"a = 1\r\nb = 1\r\n")
    call(edit, path="src/app.py", old="a = 1\nb", new="a = 2\nb")
    assert (workspace.root / "src/app.py").read_bytes() == b"a = 2\r\nb = 1\r\n"
    for old, said in {"c": "does not stand in the file", " = ": "stands 2 times", "": "'old' is empty"}.items():
        with pytest.raises(ToolException, match=said):
            call(edit, path="src/app.py", old=old, new="")
    with pytest.raises(ToolException, match=r"'other\.py' is not this task's to write; it writes src/app\.py"):
        call(tools["write_file"], path="other.py", content="")
    with pytest.raises(ToolException, match="no text that UTF-8 can hold"):
        call(tools["write_file"], path="src/app.py", content="\ud800")


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("rm -rf .", "'rm' is not allowed; allowed are python, pytest, without a path"),
        ("./pytest", "'./pytest' is not allowed"),
        ("/usr/bin/python -V", "'/usr/bin/python' is not allowed"),
        ("FOO=1 python -V", "'FOO=1' is not allowed"),
        ("python 'x", "can't be read: No closing quotation"),
        ("  ", "names no program"),
    ],
)
def test_only_allowed_programs_run(command: str, said: str) -> None:
    """They are compared by name: a path is another program."""
    with pytest.raises(ToolException, match=said.replace("(", r"\(")):
        split_command(command, ("python", "pytest"))


def test_no_shell_reads_a_command(workspace: Workspace) -> None:
    """What a shell would obey are arguments."""
    run = command_tool(workspace, ("python",))
    script = "import sys; print(sys.argv[1:])"
    said = call(run, command=f"python -c '{script}' $HOME '*' ; touch x && touch y > z `id`")
    assert said == "[exit code 0]\n['$HOME', '*', ';', 'touch', 'x', '&&', 'touch', 'y', '>', 'z', '`id`']\n"
    with pytest.raises(ToolException, match="'nosuchprogram' is not installed here"):
        call(command_tool(workspace, ("nosuchprogram",)), command="nosuchprogram")


def test_keys_are_not_passed_on(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment is what is listed, and nothing else."""
    for name in ("OPENAI_API_KEY", "AWS_SECRET_ACCESS_KEY", "PYTHONPATH", "LD_PRELOAD", "FANWISE_MODEL"):
        monkeypatch.setenv(name, "")
    monkeypatch.setenv("PATH", f".:{os.environ['PATH']}:")
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    told = asyncio.run(run_program([sys.executable, "-c", "import os; print(sorted(os.environ))"], workspace.root))
    assert told.exit_code == 0
    for name in ("OPENAI_API_KEY", "AWS_SECRET_ACCESS_KEY", "PYTHONPATH", "LD_PRELOAD", "FANWISE_MODEL"):
        assert name not in told.output
    environment = clean_environment()
    assert environment["LC_ALL"] == "C.UTF-8" and all(map(os.path.isabs, environment["PATH"].split(os.pathsep)))


TREE = """
import subprocess, sys, time
if len(sys.argv) < 3:
    own = [sys.executable, __file__, sys.argv[1], "child"]
    subprocess.Popen(own)                            # in the group
    subprocess.Popen(own, start_new_session=True)    # in one of its own
    print("started", flush=True)
time.sleep(float(sys.argv[1]))
"""


def running(script: Path) -> list[psutil.Process]:
    """Return the processes of a script that live."""
    found = []
    for process in psutil.process_iter(["cmdline", "status"]):
        if str(script) in (process.info["cmdline"] or []) and process.info["status"] != psutil.STATUS_ZOMBIE:
            found.append(process)
    return found


def gone(script: Path) -> bool:
    """Wait a little for the kernel to take the processes of a script away."""
    until = time.monotonic() + 5
    while running(script) and time.monotonic() < until:
        time.sleep(0.02)
    return not running(script)


def test_time_is_over_for_the_whole_tree(workspace: Workspace) -> None:
    """A program's children end with it, those in a session of their own too."""
    script = workspace.root / "tree.py"
    script.write_text(TREE)
    told = asyncio.run(run_program([sys.executable, str(script), "60"], workspace.root, 2.0))
    assert told.timed_out and gone(script)


def test_a_cancelled_call_ends_its_program(workspace: Workspace) -> None:
    """Nothing is left when the agent's time is over."""
    script = workspace.root / "tree.py"
    script.write_text(TREE)

    async def scenario() -> None:
        work = asyncio.create_task(run_program([sys.executable, str(script), "60"], workspace.root))
        while len(running(script)) < 3:  # noqa: ASYNC110 - other processes have no events
            await asyncio.sleep(0.05)
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work

    asyncio.run(scenario())
    assert gone(script)


def test_what_stays_behind_ends_with_the_program(workspace: Workspace) -> None:
    """A program that leaves a child in its group does not keep the call waiting."""
    script = workspace.root / "behind.py"
    script.write_text(
        "import subprocess, sys, time\n"
        "if len(sys.argv) == 1:\n"
        "    subprocess.Popen([sys.executable, __file__, 'child'])\n"
        "    print('done', flush=True)\n"
        "else:\n"
        "    time.sleep(60)\n"
    )
    begun = time.monotonic()
    told = asyncio.run(run_program([sys.executable, str(script)], workspace.root, 50.0))
    assert (told.exit_code, told.output) == (0, "done\n") and time.monotonic() - begun < 20 and gone(script)


def test_output_is_bounded_while_it_is_read(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 50 MB the beginning and the end are kept, in the order in which they came."""
    monkeypatch.setattr(processes, "OUTPUT_BYTES", 3_000)
    script = "import sys\nprint('first')\nfor _ in range(800): sys.stdout.write('x' * 65536)\nprint('last')"
    told = asyncio.run(run_program([sys.executable, "-c", script], workspace.root))
    assert told.output.startswith("first\n") and told.output.endswith("xlast\n") and len(told.output) < 3_100
    assert "[... 52,425,811 bytes left out ...]" in told.output


def test_tests_are_run_and_told(workspace: Workspace) -> None:
    """Failures, errors of collection, tests that are missing, and a time that is over are told apart."""
    (workspace.root / "pytest.ini").write_text(f"[pytest]\naddopts = {NO_PLUGINS}\n")
    (workspace.root / "test_a.py").write_text(
        "import pytest\n\ndef test_good(): pass\n\ndef test_bad(): assert 1 == 2\n\n"
        "@pytest.mark.skip\ndef test_not(): pass\n"
    )
    (workspace.root / "test_broken.py").write_text("import nothing_of_this_name\n")
    (workspace.root / "test_long.py").write_text("import time\n\ndef test_it(): time.sleep(60)\n")

    async def scenario() -> None:
        some, broken, none, late = await asyncio.gather(
            run_pytest(workspace, ["test_a.py"]),
            run_pytest(workspace, ["test_broken.py"]),
            run_pytest(workspace, ["src"]),
            run_pytest(workspace, ["test_long.py"], 4.0),
        )
        assert (some.passed, some.failed, some.skipped, some.ok) == (1, 1, 1, False)
        assert some.told(1) == "1 failed, 1 passed: test_a::test_bad" and "assert 1 == 2" in some.failures[0].message
        assert not broken.ok and "nothing_of_this_name" in broken.failures[0].message
        assert none.told(1) == "there are no tests" and late.told(4) == "the tests did not end within 4 s"
        with pytest.raises(BorderError):
            await run_pytest(workspace, ["../outside"])

    asyncio.run(scenario())
