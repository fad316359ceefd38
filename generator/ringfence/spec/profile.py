"""Profiles: the three shipped ones and a user's own, which extend them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path as FilePath
from pathlib import PurePosixPath

from ringfence import bundled
from ringfence.documents import load
from ringfence.errors import InputError, Place, RingfenceError, nearest, raise_all
from ringfence.model import PROFILES
from ringfence.spec.facts import Override
from ringfence.spec.judge import judge

_MAX_CHAIN = 8


@dataclass(frozen=True, slots=True)
class Profile:
    """A profile with what it extends folded in. `base` is the shipped profile it stands on."""

    name: str
    title: str
    posture: str
    base: str
    layers: tuple[Mapping[str, Override], ...]  # own overrides, outermost last
    files: tuple[FilePath, ...]


def read_profile(name: str, beside: FilePath, place: Place) -> Profile:
    """The profile called `name`: shipped, or a file relative to the folder `beside`."""
    layers: list[Mapping[str, Override]] = []
    files: list[FilePath] = []
    wanted, folder, top = name, beside, None
    while True:
        file = _find(wanted, folder, place)
        document = load(file.read_bytes(), _shown(file, wanted, place))
        data = judge(document, "profile")
        controls = {
            id_: Override(
                id_,
                entry.get("stage"),
                entry.get("params", {}),
                entry.get("reason") or "",
                document.place(("controls", id_)),
                {
                    "stage": document.place(("controls", id_, "stage")),
                    **{p: document.place(("controls", id_, "params", p)) for p in entry.get("params", {})},
                },
            )
            for id_, entry in data["controls"].items()
        }
        own = file.parent != bundled.profiles()
        raise_all(_reasons(controls) if own else [])
        layers.append(controls)
        files.append(file)
        top = top or data
        if not data["extends"]:
            break
        place = document.place(("extends",))
        if len(layers) >= _MAX_CHAIN or _find(data["extends"], file.parent, place) in files:
            raise InputError(
                "profiles extend each other without end", place=place, hint="extend baseline, restricted or zero-trust"
            )
        wanted, folder = data["extends"], file.parent
    base = _base(files, document.place())
    return Profile(top["name"], top["title"], top["posture"], base, tuple(reversed(layers)), tuple(files))


def _shown(file: FilePath, wanted: str, place: Place) -> str:
    """The profile's file as a user finds it: from the file that names it, and not from this machine's root."""
    if file.parent == bundled.profiles():
        return f"profiles/{file.name}"
    return (PurePosixPath(place.file).parent / (wanted if wanted.endswith(".yaml") else f"{wanted}.yaml")).as_posix()


def _base(files: list[FilePath], place: Place) -> str:
    """The strictest shipped profile in the chain: shipped ones extend each other, loosest last."""
    for file in files:
        if file.parent == bundled.profiles():
            return file.stem
    raise InputError(
        "the profile stands on no shipped profile",
        place=place,
        hint="add `extends: baseline`, restricted or zero-trust",
    )


def _find(name: str, folder: FilePath, place: Place) -> FilePath:
    if name in PROFILES:
        return bundled.profiles() / f"{name}.yaml"
    file = folder / (name if name.endswith(".yaml") else f"{name}.yaml")
    if "\0" not in name and file.is_file():
        return file
    choices = [*PROFILES, *(f.stem for f in folder.glob("*.yaml") if f.stem != "cluster")]
    raise InputError(f'unknown profile "{name}"', place=place, hint=nearest(name, choices))


def _reasons(controls: Mapping[str, Override]) -> list[RingfenceError]:
    return [
        InputError(
            f'control "{id_}" is set without a reason',
            place=override.place,
            hint="add `reason:` so that reviewers know why",
        )
        for id_, override in controls.items()
        if not override.reason
    ]
