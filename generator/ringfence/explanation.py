"""Why things are as they are: texts about one control, object or field of a built cluster."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path as FilePath
from typing import Any

from ringfence.arrange import CONTROLS, MANAGED_BY
from ringfence.documents import dump, load_marked
from ringfence.host import forms
from ringfence.model import PROFILES, Bundle, Control, ResolvedControl, Source
from ringfence.reference import (
    FRAMEWORKS,
    audit_line,
    change_snippet,
    emit_line,
    exception_snippet,
    exceptions_line,
    floor_of,
    proof_line,
    show,
    value_under,
)
from ringfence.shape import HOST_API, Manifest, Origin, Path, Wave
from ringfence.sinks.layout import file_of
from ringfence.sinks.report import spell

_OWN = frozenset({("metadata", "labels", MANAGED_BY[0]), ("metadata", "annotations", CONTROLS)})
_READS = re.compile(r"\b(?:params|cluster|namespace|control)\.[A-Za-z_][A-Za-z0-9_.]*")
_SHOWN_OBJECTS = 12


def about_control(control: Control, one: ResolvedControl | None = None, bundle: Bundle | None = None) -> str:
    """A control: as the catalogue has it and, given a cluster, as it stands there."""
    lines = [f"{control.id}: {control.title}", "", control.rationale, ""]
    lines += [f"severity    {control.severity}, from profile {control.profile} on"]
    lines += [f"stage       {', '.join(f'{p}: {control.stage(p)}' for p in PROFILES)}; least: {control.floor}"]
    lines += [f"audit form  {audit_line(control)}"]
    lines += [f"exceptions  {exceptions_line(control)}"]
    lines += [f"proved by   {proof_line(control)}"]
    if control.requires:
        lines += [f"requires    {', '.join(control.requires)}"]
    lines += ["references", *(f"  {FRAMEWORKS[f]}: {', '.join(n)}" for f, n in control.references.items())]
    lines += ["emits", *(f"  {emit_line(e)}" for e in control.emits)]
    if control.managed:
        lines += ["where others own the hosts", *(f"  {name}: {said}" for name, said in control.managed.items())]
    if control.params:
        lines.append("parameters")
    for param in control.params.values():
        lines.append(f"  {param.name} ({param.type}; {floor_of(param)}): {param.description}")
        lines.append("    " + ", ".join(f"{p}: {show(value_under(param, p))}" for p in PROFILES))
    if one is not None and bundle is not None:
        lines += ["", *_in_cluster(one, bundle)]
    return "\n".join(lines) + "\n"


def _in_cluster(one: ResolvedControl, bundle: Bundle) -> Iterator[str]:
    cluster = bundle.cluster
    yield f"in cluster {cluster.name} (profile={cluster.profile})"
    yield f"  stage: {one.stage}, by {_by(one.stage_source)}"
    yield from _values(one, tuple(one.params))
    for exemption in cluster.exemptions:
        if exemption.control == one.id:
            scope = ", ".join((*exemption.namespaces, *exemption.names))
            yield (
                f"  exception {exemption.name} for {scope}: {exemption.reason} "
                f"({exemption.owner}, {exemption.ticket}, until {exemption.expires}; {exemption.place})"
            )
    if one.id in bundle.unemitted:
        yield f"  emits nothing: {bundle.unemitted[one.id]}"
    else:
        found = [m.id for m in (*bundle.manifests, *bundle.host) if one.id in m.shape.controls]
        yield f"  writes {len(found)} object{'' if len(found) == 1 else 's'}"
        yield from (f"    {id_}" for id_ in found[:_SHOWN_OBJECTS])
        if len(found) > _SHOWN_OBJECTS:
            yield f"    and {len(found) - _SHOWN_OBJECTS} more"
    yield from _change(one, tuple(one.params)[:1])


def _change(one: ResolvedControl, params: tuple[str, ...]) -> Iterator[str]:
    """How cluster.yaml changes what this control decided."""
    open_params = tuple(p for p in params if one.control.params[p].floor != "deny")
    if open_params or one.control.floor.value != "enforce":
        yield "to change it, in cluster.yaml:"
        yield from (f"  {line}" for line in change_snippet(one, open_params))
    else:
        yield f"its stage can't be lowered (least: {one.control.floor})" + (
            "; it has no parameters" if not one.params else ""
        )
    if snippet := exception_snippet(one.control):
        yield "to except something from it, in cluster.yaml:"
        yield from (f"  {line}" for line in snippet)


def _by(source: Source) -> str:
    return "the control's own default (" + str(source.place) + ")" if source.kind == "default" else str(source)


def _values(one: ResolvedControl, names: tuple[str, ...]) -> Iterator[str]:
    for name in names:
        yield f"  {name}: {show(one.params[name])}, by {_by(one.param_sources[name])}"


def about_object(manifest: Manifest, bundle: Bundle) -> str:
    """An object: who writes it, where it lies, and the template line of each of its fields."""
    shape, controls = manifest.shape, _controls(bundle)
    patched = ", patches fields of an object that somebody else owns" if shape.mode == "patch" else ""
    lines = [
        f"{manifest.id} ({shape.api_version}), wave {int(manifest.wave)} "
        f"({Wave(manifest.wave).name.lower().replace('_', ' ')}){patched}",
        f"file      {_file_of(manifest, bundle)}, below the tree",
        "controls",
        *(f"  {id_}: {controls[id_].control.title} ({controls[id_].stage})" for id_ in shape.controls),
        "",
        *_blame(manifest),
    ]
    return "\n".join(lines) + "\n"


def _file_of(manifest: Manifest, bundle: Bundle) -> str:
    """Where the object lies; settings of a host lie in the files of its distribution."""
    if manifest.shape.api_version != HOST_API:
        return file_of(manifest, bundle.cluster.delivery["files"])
    return ", ".join(f.path for f in forms(bundle) if manifest.id in f.sources)


def _blame(manifest: Manifest) -> Iterator[str]:
    """The object's YAML, each line with the template line that set it."""
    text = dump(manifest.body)
    _, marks = load_marked(text, "")[0]
    by_line: dict[int, Path] = {}
    for path, place in marks.items():
        if path and len(path) >= len(by_line.get(place.line, ())):
            by_line[place.line] = path
    rows = list(enumerate(text.splitlines(), 1))
    width = min(max(len(line) for _, line in rows), 72)
    for number, line in rows:
        origin = origin_text(manifest, by_line[number]) if number in by_line else ""
        yield f"{line.ljust(width)}  # {origin}" if origin else line


def origin_of(manifest: Manifest, path: Path) -> Origin | None:
    """The template line that set a field or its nearest ancestor; None for what ringfence adds itself."""
    if path in _OWN:
        return None
    origins = manifest.shape.origins
    return next((origins[path[:end]] for end in range(len(path), 0, -1) if path[:end] in origins), None)


def origin_text(manifest: Manifest, path: Path) -> str:
    """`<control>/<template>:<line>` of a field; `ringfence` for what it adds to every object."""
    origin = origin_of(manifest, path)
    return f"{origin.control}/{FilePath(origin.template).name}:{origin.line}" if origin else "ringfence"


def about_field(manifest: Manifest, path: Path, bundle: Bundle) -> str:
    """A field: its value, the template line that set it, what that line reads, and how to change it."""
    value: Any = manifest.body
    for step in path:
        value = value[step]
    lines = [f"{manifest.id} {spell(path)}"]
    lines += [f"  {line}" for line in dump(value).splitlines()]
    origin = origin_of(manifest, path)
    if origin is None:
        lines.append("added by ringfence to every object, so that objects lead back to their controls")
        return "\n".join(lines) + "\n"
    one = _controls(bundle)[origin.control]
    source = _line_of(one.control, origin)
    lines += [f"set by control {one.id} ({one.control.title}), stage {one.stage}", f"  {origin.template}:{origin.line}"]
    lines += [f"    {source.strip()}"] if source.strip() else []
    lines += _reads(source, one, manifest, bundle)
    read = tuple(p for p in one.params if re.search(rf"\bparams\.{p}\b", source))
    others = [m for m in manifest.shape.controls if m != one.id]
    if others:
        lines.append(f"other controls of this object: {', '.join(others)}")
    if one.params:
        lines += ["parameters of the control", *_values(one, tuple(one.params))]
    lines += _change(one, read or tuple(one.params)[:1])
    return "\n".join(lines) + "\n"


def _line_of(control: Control, origin: Origin) -> str:
    """The line of the template, empty when it can't be read any more."""
    try:
        text = (FilePath(control.folder) / FilePath(origin.template).name).read_text(encoding="utf-8")
        return text.splitlines()[origin.line - 1]
    except (OSError, IndexError):
        return ""


def _reads(line: str, one: ResolvedControl, manifest: Manifest, bundle: Bundle) -> list[str]:
    """What a template line takes from cluster.yaml and from the control, with the values where they are plain."""
    found: list[str] = []
    namespaces = {n.name: n for n in (*bundle.cluster.platform_namespaces, *bundle.cluster.namespaces)}
    scope: Mapping[str, Any] = {
        "cluster": bundle.cluster,
        "control": one,
        "namespace": namespaces.get(manifest.namespace or manifest.name),
        "params": one.params,
    }
    for name in dict.fromkeys(_READS.findall(line)):
        value = _look_up(scope, name.split("."))
        plain = isinstance(value, (str, int, list, tuple, Mapping))
        shown = list(value) if isinstance(value, tuple) else value
        found.append(f"  reads {name}" + (f" = {show(shown)}" if plain and _is_plain(shown) else ""))
    return found


def _look_up(scope: Mapping[str, Any], names: list[str]) -> Any:
    here: Any = scope
    for name in names:
        here = here.get(name) if isinstance(here, Mapping) else getattr(here, name, None)
    return here


def _is_plain(value: Any) -> bool:
    check: Callable[[Any], bool] = lambda v: isinstance(v, (str, int))  # noqa: E731 # used twice below
    if isinstance(value, Mapping):
        return all(check(v) for v in value.values())
    return all(check(v) for v in value) if isinstance(value, list) else check(value)


def _controls(bundle: Bundle) -> Mapping[str, ResolvedControl]:
    return {c.id: c for c in bundle.controls}
