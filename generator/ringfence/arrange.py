"""Fragments → manifests: folded by identity, labelled, in one total order.

Folding works on shapes: how two structures become one is decided once, and every object of that
combination only joins its values.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from ringfence.errors import InputError, Place, RingfenceError, raise_all
from ringfence.render import Fragment
from ringfence.shape import HOST_API, Joined, Manifest, Origin, Path, Shape, Slot, fill_text

MANAGED_BY = ("app.kubernetes.io/managed-by", "ringfence")
CONTROLS = "ringfence/controls"
_METADATA = ("name", "namespace", "labels", "annotations")
_TOP = ("apiVersion", "kind", "metadata")


class _Identity(NamedTuple):
    group: str
    kind: str
    namespace: str
    name: str


Folded = dict[tuple[Shape, ...], Shape]


def arrange(fragments: Iterable[Fragment], folded: Folded | None = None) -> tuple[Manifest, ...]:
    """The objects of a cluster in apply order: wave, kind, namespace, name.

    `folded` keeps how structures fold, for the next cluster of a fleet.
    Raises all of: two whole objects of one name, two controls that set one field differently.
    """
    grouped: dict[tuple[str, str, str, str], list[Fragment]] = {}
    for fragment in fragments:
        shape, values = fragment
        namespace, name = shape.namespace, shape.name
        identity = (
            shape.group,
            shape.kind,
            values[namespace.number] if namespace.__class__ is Slot else fill_text(namespace, values),
            name if name.__class__ is str else fill_text(name, values),
        )
        if identity in grouped:
            grouped[identity].append(fragment)
        else:
            grouped[identity] = [fragment]
    manifests: list[Manifest] = []
    errors: list[RingfenceError] = []
    folded = {} if folded is None else folded
    for identity, parts in grouped.items():
        try:
            shape, values = _fold(parts, identity, folded)
        except InputError as bad:
            errors.append(bad)
            continue
        _, kind, where, called = identity
        manifests.append(Manifest(shape.wave, kind, where, called, shape, values))
    raise_all(errors)
    manifests.sort(key=_order)
    return tuple(manifests)


def _order(manifest: Manifest) -> tuple[int, str, str, str, str]:
    return (manifest[0], manifest[1], manifest[2], manifest[3], manifest[4].api_version)


def _fold(
    parts: Sequence[Fragment], identity: tuple[str, str, str, str], folded: Folded
) -> tuple[Shape, tuple[str, ...]]:
    if len(parts) == 1:
        only, values = parts[0]
        key: tuple[Shape, ...] = (only,)
    else:
        parts = sorted(parts, key=lambda f: (f.shape.fragment, f.shape.controls))  # the whole one first
        key = tuple([f.shape for f in parts])
        values = tuple([v for f in parts for v in f.values])
    known = folded.get(key)
    shape = known if known is not None else folded.setdefault(key, _decorate(_fold_shapes(key, _Identity(*identity))))
    for path, one, other, first, second in shape.agreements:
        if fill_text(one, values) != fill_text(other, values):
            one, other = fill_text(one, values), fill_text(other, values)
            raise _conflict(_Identity(*identity), path, first, second, one, other, _place(shape, path))
    return shape, values


def _fold_shapes(shapes: tuple[Shape, ...], identity: _Identity) -> Shape:
    whole = [s for s in shapes if not s.fragment]
    if len(whole) > 1:
        first, second = whole[0].controls[0], whole[1].controls[0]
        what = f"{identity.kind} {_spell(identity)}"
        raise InputError(
            f"two controls emit {what}: {first} and {second}" if first != second else f"{first} emits {what} twice",
            place=_place(whole[1], ("metadata",)),
            hint="mark one of them `fragment: true` in its control.yaml, or rename it",
        )
    result = shapes[0]
    for other in shapes[1:]:
        result = _Fold(result, other, identity).shape()
    return result


class _Fold:
    """Folds `other` into `base`, whose values come first."""

    def __init__(self, base: Shape, other: Shape, identity: _Identity) -> None:
        self.base, self.other, self.offset, self.identity = base, other, base.slots, identity
        self.origins: dict[Path, Origin] = dict(base.origins)
        self.agreements = list(base.agreements)
        self.lists = {**base.lists, **other.lists}

    def shape(self) -> Shape:
        tree = self._maps(self.base.tree, self.other.tree, (), ())
        b, o = self.base, self.other
        if b.mode != o.mode or b.api_version != o.api_version:
            what = "mode" if b.mode != o.mode else "apiVersion"
            both = f"{', '.join(b.controls)} and {', '.join(o.controls)}"
            raise InputError(
                f"{both} write {b.kind} {_spell(self.identity)} with another {what}",
                place=_place(o, ("apiVersion",)),
                hint="an object has one apiVersion and one mode",
            )
        return Shape(
            tree=tree,
            api_version=b.api_version,
            kind=b.kind,
            name=b.name,
            namespace=b.namespace,
            origins=self.origins,
            controls=tuple(dict.fromkeys((*b.controls, *o.controls))),
            area=b.area,
            wave=min(b.wave, o.wave),
            mode=b.mode,
            fragment=b.fragment and o.fragment,
            lists=self.lists,
            slots=b.slots + o.slots,
            agreements=tuple(self.agreements),
        )

    def _maps(self, one: dict[str, Any], two: dict[str, Any], path: Path, theirs: Path) -> dict[str, Any]:
        """Both mappings; `path` is where this stands in the result, `theirs` where it stands in `other`."""
        out = dict(one)
        for key, value in two.items():
            here, there = (*path, key), (*theirs, key)
            if key not in out:
                out[key] = _shift(value, self.offset)
                self._adopt(here, there)
            else:
                out[key] = self._both(out[key], value, here, there)
        return out

    def _both(self, one: Any, two: Any, here: Path, there: Path) -> Any:
        if isinstance(one, dict) and isinstance(two, dict):
            return self._maps(one, two, here, there)
        if isinstance(one, list) and isinstance(two, list) and here in self.lists:
            return self._lists(one, two, here, there)
        shifted = _shift(two, self.offset)
        if isinstance(one, (Slot, Joined)) or isinstance(shifted, (Slot, Joined)):
            if isinstance(one, (str, Slot, Joined)) and isinstance(shifted, (str, Slot, Joined)):
                self.agreements.append((here, one, shifted, self._setter(here), self.other.controls[0]))
                return one
        elif one == shifted and type(one) is type(shifted):
            return one
        raise _conflict(
            self.identity, here, self._setter(here), self.other.controls[0], one, two, _place(self.other, there)
        )

    def _lists(self, one: list[Any], two: list[Any], here: Path, there: Path) -> list[Any]:
        """Lists of mappings folded by their declared key; the key must be literal in both."""
        key = self.lists[here]
        out = list(one)
        index = {_item_name(self.base, item, key, (*here, i)): i for i, item in enumerate(out)}
        for number, item in enumerate(two):
            name = _item_name(self.other, item, key, (*there, number))
            if name in index:
                out[index[name]] = self._maps(out[index[name]], item, (*here, index[name]), (*there, number))
            else:
                index[name] = len(out)
                self._adopt((*here, len(out)), (*there, number))
                out.append(_shift(item, self.offset))
        return out

    def _adopt(self, here: Path, there: Path) -> None:
        """The origins of everything at or below `there` in `other`."""
        for path, origin in self.other.origins.items():
            if path[: len(there)] == there:
                self.origins[here + path[len(there) :]] = origin

    def _setter(self, path: Path) -> str:
        for end in range(len(path), 0, -1):
            if (origin := self.base.origins.get(path[:end])) is not None:
                return origin.control
        return self.base.controls[0]


def _item_name(shape: Shape, item: Any, key: str, path: Path) -> str:
    """The text by which an item of a list folds; raises InputError when it has none, or an open one."""
    name = item.get(key) if isinstance(item, dict) else None
    if not isinstance(name, str):
        raise InputError(
            f"an item of {'.'.join(map(str, path[:-1]))} has no literal {key}, by which this list folds",
            place=_place(shape, path),
            hint=f"write {key} out in the template",
        )
    return name


def _decorate(shape: Shape) -> Shape:
    """The shape with ringfence's own label and annotation, keys in Kubernetes order; a host has neither."""
    if shape.api_version == HOST_API:
        return replace(shape, controls=tuple(sorted(shape.controls)), plans={})
    tree = shape.tree
    metadata = dict(tree["metadata"])
    labels = {**metadata.get("labels", {}), MANAGED_BY[0]: MANAGED_BY[1]}
    if shape.mode == "patch":
        labels.pop(MANAGED_BY[0])  # somebody else owns the object; we own fields
    annotations = {**metadata.get("annotations", {}), CONTROLS: ",".join(sorted(shape.controls))}
    metadata["labels"], metadata["annotations"] = dict(sorted(labels.items())), dict(sorted(annotations.items()))
    if not metadata["labels"]:
        del metadata["labels"]
    ordered = {k: metadata[k] for k in _METADATA if k in metadata}
    ordered.update({k: v for k, v in metadata.items() if k not in ordered})
    out = {"apiVersion": tree["apiVersion"], "kind": tree["kind"], "metadata": ordered}
    out.update({k: v for k, v in tree.items() if k not in _TOP})
    return replace(shape, tree=out, controls=tuple(sorted(shape.controls)), plans={})


def _shift(tree: Any, offset: int) -> Any:
    """The tree with every slot moved by `offset` values."""
    if isinstance(tree, dict):
        return {k: _shift(v, offset) for k, v in tree.items()}
    if isinstance(tree, list):
        return [_shift(v, offset) for v in tree]
    if isinstance(tree, Slot):
        return Slot(tree.number + offset)
    if isinstance(tree, Joined):
        return Joined(tuple(p if isinstance(p, str) else Slot(p.number + offset) for p in tree.parts))
    return tree


def _conflict(
    identity: _Identity, path: Path, first: str, second: str, one: Any, two: Any, place: Place | None
) -> InputError:
    def show(value: Any) -> str:
        return (
            f'"{value}"'
            if isinstance(value, str)
            else f"{type(value).__name__}"
            if isinstance(value, (dict, list, tuple))
            else str(value).lower()
        )

    what = f"{'.'.join(map(str, path))} of {identity.kind} {_spell(identity)}"
    return InputError(
        f"{first} and {second} set {what} differently: {show(one)} and {show(two)}",
        place=place,
        hint="only one control may set a field",
    )


def _place(shape: Shape, path: Path) -> Place | None:
    for end in range(len(path), 0, -1):
        if (origin := shape.origins.get(path[:end])) is not None:
            return Place(origin.template, origin.line, 1)
    return None


def _spell(identity: _Identity) -> str:
    return f"{identity.namespace}/{identity.name}" if identity.namespace else identity.name
