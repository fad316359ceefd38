"""Catalog + Profile + Cluster → ResolvedControls: stage and parameters decided, each with its provenance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ringfence.catalog import Catalog
from ringfence.errors import ExceptionError, InputError, Place, RingfenceError, nearest, raise_all
from ringfence.model import PROFILES, Control, Param, ResolvedControl, Source, Stage
from ringfence.parameters import brief, loosened, malformed
from ringfence.spec.facts import Cluster, Exemption, Override
from ringfence.spec.profile import Profile


def resolve(catalog: Catalog, profile: Profile, cluster: Cluster) -> tuple[ResolvedControl, ...]:
    """Every control of the catalogue under this cluster, in order of ids; stage off included.

    Raises all errors of the stage: unknown controls and parameters, wrong types, loosened floors,
    requirements that are switched off, exceptions that match nothing.
    """
    errors: list[RingfenceError] = []
    overrides = {o.control: o for o in cluster.overrides}
    layers = (*profile.layers, overrides)
    for layer in layers:
        for override in layer.values():
            _known(catalog, override.control, override.place, errors)
    exempted = _exemptions(catalog, cluster, errors)
    resolved: dict[str, ResolvedControl] = {}
    for control in catalog:
        own = [layer[control.id] for layer in layers if control.id in layer]
        user = overrides.get(control.id)
        resolved[control.id] = _resolve_one(control, profile, own, user, exempted.get(control.id, []), errors)
    _requirements(resolved, errors)
    _unmatched(resolved, cluster, errors)
    raise_all(errors)
    return tuple(_with_companions(one, resolved) for one in resolved.values())


def _with_companions(one: ResolvedControl, resolved: Mapping[str, ResolvedControl]) -> ResolvedControl:
    names = {name for emit in one.control.emits for name in (emit.beside, emit.unless) if name}
    return replace(one, companions={name: resolved[name] for name in sorted(names)}) if names else one


def _known(catalog: Catalog, id_: str, place: Place, errors: list[RingfenceError]) -> bool:
    if id_ in catalog.controls:
        return True
    errors.append(
        InputError(
            f'unknown control "{id_}"', place=place, hint=nearest(id_, catalog.controls) or "see `ringfence list`"
        )
    )
    return False


def _resolve_one(
    control: Control,
    profile: Profile,
    layers: list[Override],
    user: Override | None,
    exemptions: list[Exemption],
    errors: list[RingfenceError],
) -> ResolvedControl:
    stage, stage_source = control.stage(profile.base), Source("default", control.place)
    params, sources = _defaults(control, profile.base)
    for layer in layers:
        kind = "override" if layer is user else f"profile {profile.name}"
        if layer.stage is not None:
            stage_source = Source(kind, layer.places["stage"], layer.reason)
            stage = _stage(control, Stage(layer.stage), layer, errors)
        for name, value in layer.params.items():
            place = layer.places[name]
            if name not in control.params:
                errors.append(
                    InputError(
                        f'control "{control.id}" has no parameter "{name}"',
                        place=place,
                        hint=nearest(name, control.params) or f"see `ringfence explain {control.id}`",
                    )
                )
                continue
            if error := _refused(control.params[name], value, params[name]):
                errors.append(InputError(f"{control.id}.{name}: {error[0]}", place=place, hint=error[1]))
                continue
            params[name], sources[name] = value, Source(kind, place, layer.reason)
    return ResolvedControl(
        control,
        stage,
        stage_source,
        params,
        sources,
        frozenset(n for e in exemptions for n in e.namespaces),
        tuple(sorted({n for e in exemptions for n in e.names})),
    )


def _stage(control: Control, wanted: Stage, layer: Override, errors: list[RingfenceError]) -> Stage:
    if wanted.rank < control.floor.rank:
        errors.append(
            InputError(
                f'{control.id}: stage "{wanted}" is under its floor "{control.floor}"',
                place=layer.places["stage"],
                hint="write an exception with the narrowest scope instead"
                if control.exceptions != "none"
                else f"set it to {control.floor}: this control takes no exceptions",
            )
        )
        return control.floor  # so that nothing else is refused because of it
    return wanted


def _defaults(control: Control, base: str) -> tuple[dict[str, Any], dict[str, Source]]:
    """Values before any override: the default, or the value of this profile or the nearest looser one."""
    values: dict[str, Any] = {}
    sources: dict[str, Source] = {}
    for name, param in control.params.items():
        values[name], sources[name] = param.default, Source("default", control.place)
        for profile in PROFILES[: PROFILES.index(base) + 1]:
            if profile in param.by_profile:
                values[name], sources[name] = param.by_profile[profile], Source(f"profile {profile}", control.place)
    return values, sources


def _refused(param: Param, value: Any, before: Any) -> tuple[str, str | None] | None:
    """Why `value` can't replace `before`, with a hint; None when it can."""
    if wrong := malformed(param, value):
        return wrong
    if loosened(param, value, before):
        allowed = {
            "deny": "it can't be set",
            "additive": "you can only add to it",
            "subtractive": "you can only remove from it",
            "at-most": "you can only lower it",
            "at-least": "you can only raise it",
            "stricter": "you can only choose "
            + " or ".join(param.choices[param.choices.index(before) if before in param.choices else 0 :]),
        }[param.floor]
        return f"this would loosen the profile's {brief(before)}", allowed
    return None


def _exemptions(catalog: Catalog, cluster: Cluster, errors: list[RingfenceError]) -> Mapping[str, list[Exemption]]:
    """Exceptions by control, each checked against what its control allows."""
    found: dict[str, list[Exemption]] = {}
    for exemption in cluster.exemptions:
        if not _known(catalog, exemption.control, exemption.places["control"], errors):
            continue
        allowed = catalog.controls[exemption.control].exceptions
        given = {k for k, v in (("namespaces", exemption.namespaces), ("names", exemption.names)) if v}
        if allowed == "none" or given - {allowed}:
            hint = "this control takes none" if allowed == "none" else f"list {allowed} only"
            errors.append(
                InputError(
                    f'exception "{exemption.name}": control "{exemption.control}" can\'t be excepted by '
                    + " and ".join(sorted(given)),
                    place=exemption.places["scope"],
                    hint=hint,
                )
            )
            continue
        found.setdefault(exemption.control, []).append(exemption)
    return found


def _requirements(resolved: Mapping[str, ResolvedControl], errors: list[RingfenceError]) -> None:
    for one in resolved.values():
        if one.stage is Stage.OFF:
            continue
        for wanted in one.control.requires:
            if wanted in resolved and resolved[wanted].stage is Stage.OFF:
                source = resolved[wanted].stage_source
                errors.append(
                    InputError(
                        f'control "{one.id}" needs "{wanted}", which is off',
                        place=source.place,
                        hint=f'remove that override, or set "{one.id}" off too',
                    )
                )


def _unmatched(resolved: Mapping[str, ResolvedControl], cluster: Cluster, errors: list[RingfenceError]) -> None:
    """Exceptions that match nothing: unknown namespaces, or a control that is off."""
    tenants, system = {n.name for n in cluster.namespaces}, set(cluster.system_namespaces)
    for exemption in cluster.exemptions:
        if exemption.control not in resolved:
            continue
        if resolved[exemption.control].stage is Stage.OFF:
            errors.append(
                ExceptionError(
                    f'exception "{exemption.name}" matches nothing: control "{exemption.control}" is off',
                    place=exemption.places["control"],
                    hint="remove the exception",
                )
            )
        rows = resolved[exemption.control].control.emits
        existing = tenants if all(row.each == "namespace" for row in rows) else tenants | system
        for name in exemption.namespaces:
            if name not in existing:
                what = (
                    f'"{exemption.control}" is for tenants\' namespaces'
                    if name in system
                    else f'there is no namespace "{name}"'
                )
                errors.append(
                    ExceptionError(
                        f'exception "{exemption.name}" matches nothing: {what}',
                        place=exemption.places["scope"],
                        hint=nearest(name, existing) or "remove it from the exception",
                    )
                )
