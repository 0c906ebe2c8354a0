"""What the READMEs say: their commands, options, links, examples and tables."""

import ast
import functools
import importlib
import re
import shlex
from pathlib import Path

import click
import pytest

import rnw
from rnw.cli import COMMANDS, _rnw
from rnw.weights.released import RELEASED
from tests.test_imports import ORDER

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("rnw/**/*.md"), *ROOT.glob("tests/**/*.md")])
FENCE = re.compile(r"^```(\w*) ?(.*)\n((?:.*\n)*?)```$", re.MULTILINE)
# The words after `bash`: tests/README.md explains them.
PARSED, RUN, LEFT = ("long", "needs"), "run", "setup"


def _text(page):
    return page.read_text(encoding="utf-8")


def _blocks(page, language):
    """What stands after the language, and the text, of each block of code in it."""
    found = FENCE.findall(_text(page))
    return [(words, text) for named, words, text in found if named == language]


def _prose(page):
    return FENCE.sub("", _text(page))


def _lines(script):
    """The commands of a script as lists of words, with its variables filled in."""
    variables = {}
    for line in script.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        if words and re.fullmatch(r"\w+=.*", words[0]):
            name, _, value = words[0].partition("=")
            variables[f"${name}"] = value
        elif words:
            yield [variables.get(word, word) for word in words]


def _documented(kinds):
    """(page, words) of each command line of `rnw` in blocks of these kinds."""
    return [
        pytest.param(words[1:], id=f"{page.relative_to(ROOT)}: {' '.join(words)}")
        for page in PAGES
        for kind, script in _blocks(page, "bash")
        if kind.split()[0] in kinds
        for words in _lines(script)
        if words[0] == "rnw"
    ]


def _find(words):
    """The command that a line calls, with its context and the words after its name."""
    command, context, rest = (
        _rnw,
        click.Context(_rnw, info_name="rnw", **_rnw.context_settings),
        list(words),
    )
    while isinstance(command, click.Group) and rest and not rest[0].startswith("-"):
        name, found, rest = command.resolve_command(context, rest)
        command, context = found, click.Context(found, parent=context, info_name=name)
    return command, context, rest


def _parse(words):
    """Raise click's error if a command line is none that its command takes."""
    command, context, rest = _find(words)
    values, _, _ = command.make_parser(context).parse_args(list(rest))
    # click marks what is not given by None, (), or an object of its own
    given = {name: value for name, value in values.items() if isinstance(value, (str, list, tuple))}
    for parameter in command.params:
        assert not parameter.required or given.get(parameter.name), parameter.name
        if given.get(parameter.name) and not isinstance(parameter.type, click.Path):
            parameter.type_cast_value(context, given[parameter.name])
    if "--" in rest:
        program, *inner = rest[rest.index("--") + 1 :]
        assert program == "rnw"
        _parse(inner)


def _options(command, context):
    """The options of a command and of those below it."""
    for parameter in command.params:
        yield from (*parameter.opts, *parameter.secondary_opts)
    for name in command.list_commands(context) if isinstance(command, click.Group) else ():
        below = command.get_command(context, name)
        yield from _options(below, click.Context(below, parent=context, info_name=name))


def _anchor(heading):
    """The name by which a heading can be linked to."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def _anchors(page):
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", _text(page)), re.MULTILINE)
    return {_anchor(heading) for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_blocks_of_shell_commands_say_how_they_are_tested(page):
    for words, script in _blocks(page, "bash"):
        assert words.split()[:1] and words.split()[0] in (*PARSED, RUN, LEFT), script


def test_there_are_commands_to_check():
    assert len(_documented(PARSED)) > 30
    assert len(_documented([RUN])) > 5


@pytest.mark.parametrize("words", _documented([*PARSED, RUN]))
def test_commands_parse(words):
    _parse(words)


@pytest.mark.parametrize("words", _documented([RUN]))
def test_commands_run(request, words):
    code, out, err = request.getfixturevalue("rnw")(*words)
    assert code == 0, err
    assert out


@pytest.mark.parametrize(
    "words", ["train-cls --gpu 0", "bench nothing", "predict --flip", "launch -- rnw nothing"]
)
def test_mistakes_in_commands_are_found(words):
    with pytest.raises((click.UsageError, AssertionError)):
        _parse(words.split())


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_within_sentences_are_there(page):
    for words in re.findall(r"`rnw ([a-z].*?)`", _prose(page)):
        command, _, rest = _find(words.split())
        assert isinstance(command, click.Group) <= (not rest or rest[0].startswith("-")), words


def test_options_within_sentences_are_there():
    known = set(_options(_rnw, click.Context(_rnw)))
    for page in PAGES:
        spans = " ".join(re.findall(r"`([^`]+)`", _prose(page)))
        ours = re.sub(r"ruff format --check|tools/test.sh --fast", "", spans)
        assert set(re.findall(r"(?<![\w-])--[a-z][\w-]*", ours)) <= known, page


def test_the_table_of_commands_names_all_of_them():
    table = _text(ROOT / "rnw" / "README.md").split("\n## Commands\n", 1)[1]
    rows = [line for line in table.splitlines() if line.startswith("| `rnw ")]
    named = {words.split()[0] for row in rows for words in re.findall(r"`rnw (.+?)`", row)}
    assert named == set(COMMANDS)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", _prose(page)):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        linked = page.parent / path if path else page
        assert linked.exists(), target
        assert not anchor or anchor in _anchors(linked), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_examples_in_python_are_python(page):
    for _, code in _blocks(page, "python"):
        tree = ast.parse(code)
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module.startswith("rnw"):
                module = importlib.import_module(node.module)
                assert all(hasattr(module, alias.name) for alias in node.names), code
            if isinstance(node, ast.Attribute) and getattr(node.value, "id", "") == "rnw":
                assert hasattr(rnw, node.attr), node.attr


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_names_in_python_within_sentences_are_there(page):
    for name in re.findall(r"`(rnw\.[\w.]+)", _prose(page)):
        try:
            functools.reduce(getattr, name.split(".")[1:], rnw)
        except ModuleNotFoundError as missing:
            assert missing.name == "torch"  # is not there in each environment of tests


def test_the_order_of_imports():
    block = _text(ROOT / "rnw" / "README.md").split("```text\n", 1)[1].split("```", 1)[0]
    rows = tuple(tuple(line.split(", ")) for line in block.splitlines())
    folders = (tuple(at for at in places if (ROOT / "rnw" / at).is_dir()) for places in ORDER)
    assert rows == tuple(filter(None, folders))


def test_the_first_page_is_short():
    assert len(_text(ROOT / "README.md").splitlines()) <= 160


def test_the_table_of_released_files():
    row = re.compile(r"^\| `(.+?\.params)` \| `(\w+)` \| (.+) \|$", re.MULTILINE)
    rows = row.findall(_text(ROOT / "README.md"))
    assert rows == [(row.name, row.md5, row.published) for row in RELEASED.values()]


def test_every_folder_with_a_line_on_the_first_page_has_a_page():
    folders = {page.parent.relative_to(ROOT).as_posix() for page in ROOT.glob("rnw/**/README.md")}
    linked = re.findall(r"\]\((rnw[^)#]*)/README\.md\)", _text(ROOT / "README.md"))
    assert folders <= set(linked)
