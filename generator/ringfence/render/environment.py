"""Jinja as ringfence uses it: an immutable sandbox in which a template can only lay out values.

`finalize` swaps each `{{ }}` value for a token and records it, so values never meet the YAML parser and
can't change structure. Line marks at the ends of lines carry template line numbers into the output.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path as FilePath
from typing import Any

import jinja2
from jinja2 import StrictUndefined, nodes, pass_context
from jinja2.sandbox import ImmutableSandboxedEnvironment

from ringfence.cache import remembered
from ringfence.errors import InputError, Place
from ringfence.model import ResolvedControl
from ringfence.render.alike import Alike, Layout, Reads, Shared, reads
from ringfence.render.filters import FILTERS
from ringfence.spec.facts import Cluster, Exemption
from ringfence.spec.hostpaths import HostPaths
from ringfence.spec.platform import PlatformNamespace
from ringfence.spec.tenants import Groups, Namespace

TOKEN_OPEN, TOKEN_CLOSE, MARK_OPEN, MARK_CLOSE = "\ue000", "\ue001", "\ue002", "\ue003"
_PRIVATE = (TOKEN_OPEN, TOKEN_CLOSE, MARK_OPEN, MARK_CLOSE)
_MAX_TEMPLATE = 64 * 1024
_MAX_VALUES = 100_000
_FACTS = frozenset({Cluster, Exemption, Groups, HostPaths, Namespace, PlatformNamespace, ResolvedControl})

_ALLOWED: tuple[type[nodes.Node], ...] = (
    nodes.Template, nodes.Output, nodes.TemplateData, nodes.For, nodes.If, nodes.Assign, nodes.Name, nodes.Const,
    nodes.List, nodes.Tuple, nodes.Dict, nodes.Pair, nodes.CondExpr, nodes.Filter, nodes.Test, nodes.Getattr,
    nodes.Getitem, nodes.Concat, nodes.Compare, nodes.Operand, nodes.And, nodes.Or, nodes.Not, nodes.Add,
    nodes.Sub, nodes.Neg, nodes.Keyword,
)  # fmt: skip
_TESTS = ("defined", "none", "equalto", "eq", "ne", "in", "true", "false")


class _Sandbox(ImmutableSandboxedEnvironment):
    """The sandbox, with a short way to facts."""

    def getattr(self, obj: Any, attribute: str) -> Any:
        """An entry of a mapping or a public field of a fact is data: the sandbox's tests (2 us) are for the rest."""
        kind = obj.__class__
        if kind is dict and attribute in obj:
            return obj[attribute]
        if kind in _FACTS and attribute[0] != "_":
            try:
                return getattr(obj, attribute)
            except AttributeError:
                pass  # the sandbox words it
        return super().getattr(obj, attribute)


class _Tokens(dict[int, str]):
    def __missing__(self, index: int) -> str:
        token = self[index] = f"{TOKEN_OPEN}{index}{TOKEN_CLOSE}"
        return token


class CompiledTemplate:
    """One template, ready to lay out values."""

    def __init__(self, environment: Environment, template: jinja2.Template, shown: str, reads: Reads | None) -> None:
        self._environment = environment
        self._template = template
        self._alike = Alike(reads) if reads else None
        self.shown = shown

    def layouts(
        self, context: dict[str, Any], name: str, subjects: Iterable[Any]
    ) -> Iterator[tuple[Layout, tuple[Any, ...]]]:
        """Layout and values for each subject, put into the context as `name`; those alike share a layout."""
        render = self._renderer(context)
        shared: dict[tuple[Any, ...], Shared] = {}
        for subject in subjects:
            context[name] = subject
            if self._alike is None or subject.__class__ is not Namespace:
                layout = render()
                yield layout, tuple(layout.values)
                continue
            key = self._alike.key(subject)
            if key not in shared:
                context[name] = self._alike.marked(subject)
                shared[key] = Shared(render(), subject)
                context[name] = subject
            yield shared[key].layout, shared[key].values(subject)

    def _renderer(self, context: dict[str, Any]) -> Callable[[], Layout]:
        """A call that lays the template out for what `context` holds at that moment."""
        values = self._environment.values
        scope = self._template.new_context(context, shared=True)
        root = self._template.root_render_func

        def render() -> Layout:
            values.clear()
            scope.vars.clear()  # what the template set for the subject before
            scope.exported_vars.clear()
            try:
                return Layout("".join(root(scope)), values.copy())
            except Exception as bad:
                raise self._error(bad) from bad

        return render

    def _error(self, bad: Exception) -> InputError:
        """What went wrong in the template, at its own line."""
        line, trace = 1, bad.__traceback__
        while trace is not None:
            if trace.tb_frame.f_code.co_filename == self._template.filename:
                line = self._template.get_corresponding_lineno(trace.tb_lineno)
            trace = trace.tb_next
        if isinstance(bad, InputError):
            bad.place = Place(self.shown, line, 1)
            return bad
        message = getattr(bad, "message", None) or str(bad)
        hint = None
        if isinstance(bad, jinja2.UndefinedError):
            hint = "the context is `cluster`, `params`, `control` and, per namespace, `namespace`"
        return InputError(f"template: {message}", place=Place(self.shown, line, 1), hint=hint)


class Environment:
    """Compiles templates; `values` holds what the last layout recorded."""

    def __init__(self, cache: FilePath | None = None) -> None:
        self.values: list[Any] = []
        self._cache = cache
        self._jinja = _Sandbox(
            undefined=StrictUndefined,
            finalize=self._finalizer(),
            autoescape=False,  # the output is YAML and values never enter it as text
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
            cache_size=0,
        )
        self._jinja.globals.clear()
        self._jinja.filters = dict(FILTERS)
        self._jinja.tests = {name: self._jinja.tests[name] for name in _TESTS}

    def _finalizer(self) -> Callable[..., str]:
        values, tokens = self.values, _Tokens()
        append = values.append

        @pass_context  # Jinja folds constants through a finalize that takes less, and the token with them
        def finalize(_: Any, value: Any) -> str:
            if value.__class__ is not str:
                if isinstance(value, StrictUndefined):
                    str(value)  # raises, naming what is undefined
                if value is None:
                    raise InputError("a value is null", hint="leave the field out with {% if %}")
            number = len(values)
            if number >= _MAX_VALUES:
                raise InputError(f"more than {_MAX_VALUES:,} values in one template")
            append(value)
            return tokens[number]

        return finalize

    def compile(self, file: FilePath, shown: str) -> CompiledTemplate:
        """The template in `file`, refused with its line when it does more than lay out values."""
        source = file.read_text(encoding="utf-8")
        key = f"template\0{jinja2.__version__}\0{_FORMAT}\0{shown}\0{source}"
        code, reads_ = remembered(self._cache, key, lambda: self._compile(source, shown))
        template = jinja2.Template.from_code(self._jinja, code, {})
        template.filename = shown
        return CompiledTemplate(self, template, shown, reads_)

    def _compile(self, source: str, shown: str) -> tuple[Any, Reads | None]:
        """The template's code, and what it reads of a namespace."""
        if len(source) > _MAX_TEMPLATE:
            raise InputError(f"the template has over {_MAX_TEMPLATE:,} characters", place=Place(shown, 1, 1))
        for char in _PRIVATE:
            if char in source:
                line = source[: source.index(char)].count("\n") + 1
                raise InputError("private-use character in a template", place=Place(shown, line, 1), hint="remove it")
        try:
            tree = self._jinja.parse(source, shown, shown)
        except jinja2.TemplateSyntaxError as bad:
            raise InputError(f"template: {bad.message}", place=Place(shown, bad.lineno, 1)) from bad
        self._check(tree, shown)
        self._check_braces(source, shown)
        for data in tree.find_all(nodes.TemplateData):
            data.data = _mark_lines(data.data, data.lineno)
        return self._jinja.compile(tree, shown, shown), reads(tree)

    def _check(self, tree: nodes.Template, shown: str) -> None:
        """Refuse what a template has no need for: macros, includes, calls, foreign filters."""
        pending: list[nodes.Node] = [tree]
        while pending:
            node = pending.pop()
            place = Place(shown, node.lineno or 1, 1)
            if not isinstance(node, _ALLOWED):
                what = type(node).__name__.lower()
                raise InputError(
                    f"template: {what} is not allowed",
                    place=place,
                    hint="templates lay out values: use for, if, set and filters",
                )
            if isinstance(node, nodes.Filter) and node.name not in FILTERS:
                raise InputError(
                    f'template: unknown filter "{node.name}"',
                    place=place,
                    hint="filters: " + ", ".join(sorted(FILTERS)),
                )
            if isinstance(node, nodes.Test) and node.name not in _TESTS:
                raise InputError(
                    f'template: unknown test "{node.name}"', place=place, hint="tests: " + ", ".join(_TESTS)
                )
            pending.extend(node.iter_child_nodes())

    def _check_braces(self, source: str, shown: str) -> None:
        """Refuse a closing brace outside `{% raw %}` that closes nothing: somebody forgot the opening one."""
        raw = False
        for line, kind, text in self._jinja.lex(source, shown, shown):
            raw = kind == "raw_begin" or (raw and kind != "raw_end")
            if kind != "data" or raw:
                continue
            if found := _LEFTOVER.search(text):
                before = text[: found.start()].count("\n")
                raise InputError(
                    f"template: leftover {found[0]}",
                    place=Place(shown, line + before, 1),
                    hint="open the brace, write a space between the two, or wrap foreign ones in {% raw %}",
                )


_FORMAT = 4  # of the compiled code: raise it when marks, tokens or checks change
_LEFTOVER = re.compile("}}|%}|#}")


def _mark_lines(text: str, line: int) -> str:
    parts = text.split("\n")
    return "\n".join([f"{part}{MARK_OPEN}{line + i}{MARK_CLOSE}" for i, part in enumerate(parts[:-1])] + parts[-1:])
