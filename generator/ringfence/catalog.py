"""templates/ → Catalog: every control's metadata, checked whole."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path as FilePath
from typing import Any

from ringfence import bundled
from ringfence.cache import remembered
from ringfence.documents import load
from ringfence.errors import InputError, Place, RingfenceError, nearest, raise_all
from ringfence.model import PROFILES, Control, Emit, Managed, Param, Severity, Stage
from ringfence.parameters import loosened, malformed
from ringfence.shape import Wave
from ringfence.spec.judge import judge


@dataclass(frozen=True, slots=True)
class Catalog:
    """Every control by id, in the order of ids."""

    controls: Mapping[str, Control]
    folders: tuple[str, ...]

    def __iter__(self) -> Iterator[Control]:
        return iter(self.controls.values())

    def get(self, id_: str, place: Place | None = None) -> Control:
        """The control called `id_`; raises InputError with the nearest id."""
        if id_ not in self.controls:
            raise InputError(
                f'unknown control "{id_}"', place=place, hint=nearest(id_, self.controls) or "see `ringfence list`"
            )
        return self.controls[id_]


def load_catalog(folders: Sequence[FilePath], cache: FilePath | None = None) -> Catalog:
    """The catalogue in `folders`; a control in a later folder replaces none: ids are unique.

    What was read and judged before is taken from the folder `cache`.
    """
    schema = sha256(bundled.document_schema("control").read_bytes()).hexdigest()
    errors: list[RingfenceError] = []
    controls: dict[str, Control] = {}
    for folder in folders:
        if not folder.is_dir():
            what = InputError("there is no such folder of controls", place=Place(str(folder)), hint="name one that is")
            errors.append(what)
        for file in sorted(folder.glob("*/*/control.yaml")):
            if file.parent.parent.name == "app":  # Copier templates, no controls
                continue
            try:
                control = _control(_read(file, cache, schema), file)
            except RingfenceError as bad:
                errors.append(bad)
                continue
            if control.id in controls:
                errors.append(
                    InputError(
                        f'control "{control.id}" exists already',
                        place=control.place,
                        hint=f"the other is {controls[control.id].folder}",
                    )
                )
            controls[control.id] = control
    for control in controls.values():
        errors.extend(_cross_errors(control, controls))
    raise_all(errors)
    return Catalog(dict(sorted(controls.items())), tuple(str(f) for f in folders))


def _shown(file: FilePath) -> str:
    """`templates/<domain>/<control>/<file>`: the same on every machine."""
    return "/".join(("templates", *file.parts[-3:]))


_FORMAT = 4  # of what is kept: raise it when a document is read or judged in another way


def _read(file: FilePath, cache: FilePath | None, schema: str) -> dict[str, Any]:
    """A control.yaml, judged."""
    content, shown = file.read_bytes(), _shown(file)
    key = f"control\0{_FORMAT}\0{schema}\0{shown}\0{sha256(content).hexdigest()}"
    data: dict[str, Any] = remembered(cache, key, lambda: judge(load(content, shown), "control"))
    return data


def _control(data: dict[str, Any], file: FilePath) -> Control:
    return Control(
        id=file.parent.name,
        domain=file.parent.parent.name,
        folder=str(file.parent),
        title=data["title"],
        profile=data["profile"],
        stages={p: Stage(s) for p, s in data["stage"].items()},
        floor=Stage(data["floor"]),
        severity=Severity(data["severity"]),
        rationale=" ".join(data["rationale"].split()),
        references={f: tuple(ids) for f, ids in data["references"].items()},
        params={name: _param(name, p) for name, p in data["params"].items()},
        emits=tuple(_emit(e) for e in data["emits"]),
        requires=tuple(data["requires"]),
        proof=tuple(data["proof"]),
        managed={name: _managed(m) for name, m in data["managed"].items()},
        audit_form=data["no_audit_form"] or "",
        exceptions=data["exceptions"],
        place=Place(_shown(file), 1, 1),
    )


def _managed(data: dict[str, Any]) -> Managed:
    said = {key: " ".join((data.get(key) or "").split()) for key in ("by", "statement", "source")}
    return Managed(**said, kept=data.get("kept", True), undocumented=data.get("undocumented", False))


def _param(name: str, data: dict[str, Any]) -> Param:
    return Param(
        name=name,
        type=data["type"],
        description=data["description"],
        default=data["default"],
        by_profile=data.get("by_profile", {}),
        floor=data.get("floor", "free"),
        choices=tuple(data.get("choices", ())),
        minimum=data.get("minimum"),
        maximum=data.get("maximum"),
    )


def _emit(data: dict[str, Any]) -> Emit:
    return Emit(
        template=data["template"] or "",
        invariant=data["invariant"] or "",
        each=data["each"],
        fragment=data["fragment"],
        mode=data["mode"],
        wave=Wave(data["wave"]),
        plane=data["plane"],
        kubernetes=data["kubernetes"],
        stages=tuple(data["stages"]),
        when={fact: tuple(values) for fact, values in data["when"].items()},
        beside=data["beside"] or "",
        unless=data["unless"] or "",
        excepted=data["excepted"],
        needs=tuple(data["needs"]),
        given=tuple(data["given"]),
        keys=data["keys"],
    )


def _cross_errors(control: Control, controls: Mapping[str, Control]) -> list[RingfenceError]:
    """What no schema can say: references between parts of the catalogue."""
    errors: list[RingfenceError] = []

    def refuse(message: str, hint: str | None = None) -> None:
        errors.append(InputError(message, place=control.place, hint=hint))

    for wanted in control.requires:
        if wanted not in controls:
            refuse(f'requires "{wanted}", which is no control', nearest(wanted, controls.keys() - {control.id}))
    for emit in control.emits:
        if bool(emit.template) is bool(emit.invariant):
            refuse("a row of emits needs a template or an invariant, and not both")
        elif emit.template and not (FilePath(control.folder) / emit.template).is_file():
            refuse(f'emits "{emit.template}", which is not in its folder')
        for word, other in (("beside", emit.beside), ("unless", emit.unless)):
            if other and other not in controls:
                refuse(f'emits {word} "{other}", which is no control', nearest(other, controls))
    for message in _plane_errors(control):
        refuse(message)
    if control.profile not in control.stages:
        refuse(f'stage lacks its lowest profile "{control.profile}"')
    ranks = [control.stage(p).rank for p in PROFILES]
    if ranks != sorted(ranks):
        refuse("its stage loosens from a profile to a stricter one")
    if any(control.stages.get(p, Stage.OFF) is not Stage.OFF for p in PROFILES[: PROFILES.index(control.profile)]):
        refuse(f'stage selects it below its lowest profile "{control.profile}"')
    for param in control.params.values():
        for message in _param_errors(param):
            refuse(f"params.{param.name}: {message}")
    if not control.audit_form and not any("audit" in e.stages for e in control.emits):
        refuse("no template serves stage audit", "add one, or say why in `no_audit_form`")
    return errors


def _plane_errors(control: Control) -> Iterator[str]:
    """The host plane is written once a cluster, in parts that fold; where a provider owns it, somebody says so."""
    rows = [e for e in control.emits if e.plane == "host"]
    if any(e.each != "cluster" or not e.fragment or e.mode != "own" for e in rows):
        yield "a row of plane host needs `each: cluster`, `fragment: true` and `mode: own`"
    missing = [p for p in ("eks", "gke", "aks") if p not in control.managed]
    if rows and missing:
        yield f"emits on the host plane, and managed lacks {', '.join(missing)}"
    if control.managed and not rows:
        yield "managed is for controls of the host plane"
    for name, managed in control.managed.items():
        if bool(managed.statement) is not bool(managed.source):
            yield f"managed.{name} needs statement and source, or neither"
        if not (managed.by or managed.statement or managed.undocumented):
            yield f"managed.{name} says nothing: give it by, statement and source, or `undocumented: true`"
        if managed.undocumented and (managed.by or managed.statement):
            yield f"managed.{name} is undocumented, and says something all the same"
        if managed.by and not managed.kept:
            yield f"managed.{name}: by says what keeps the promise, and kept that nothing does"


# Which types a floor can be measured on; `free` and `deny` fit all.
_MEASURED = {
    "additive": ("strings", "integers", "mappings", "cidrs"),
    "subtractive": ("strings", "integers", "mappings", "cidrs"),
    "at-most": ("integer", "quantity", "duration"),
    "at-least": ("integer", "quantity", "duration"),
    "stricter": ("choice",),
}


def _param_errors(param: Param) -> Iterator[str]:
    """A value that is none of the parameter's type, a floor that can't be measured, a stricter profile that loosens."""
    if param.type == "choice" and not param.choices:
        yield "type choice needs choices"
        return
    if param.type not in _MEASURED.get(param.floor, (param.type,)):
        yield f"floor {param.floor} has no meaning for type {param.type}"
        return
    before = param.default
    if wrong := malformed(param, before):
        yield f"default: {wrong[0]}"
        return
    for profile in (p for p in PROFILES if p in param.by_profile):
        value = param.by_profile[profile]
        if wrong := malformed(param, value):
            yield f"by_profile.{profile}: {wrong[0]}"
            return
        if param.floor != "deny" and loosened(param, value, before):
            yield f"by_profile.{profile} loosens the value of the looser profile"
        before = value
