"""Plans that somebody made by hand: whatever stands in a field, a run ends in a report or in one error."""

from __future__ import annotations

import functools
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from plansteps import step

from ringfence.errors import RingfenceError
from ringfence.plans import read_plan


def paths(value: Any, here: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where every value in a document stands."""
    yield here
    for key, part in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from paths(part, (*here, key))


def test_a_value_of_another_form_anywhere_ends_in_a_report_or_an_error(tmp_path: Path) -> None:
    """Whoever made the plan: no exception of Python's own ends a run."""
    policy = {"podSelector": {}, "policyTypes": ["Egress"], "egress": [{"to": [{"ipBlock": {"cidr": "::/0"}}]}]}
    steps = [
        step("update", "NetworkPolicy", "deny", "shop", spec=policy),
        step("update", "Namespace", "shop"),
        step("update", "ValidatingAdmissionPolicy", "p", spec={"validations": [{}], "failurePolicy": "Fail"}),
        step(
            "update", "ValidatingAdmissionPolicyBinding", "b", spec={"policyName": "p", "validationActions": ["Deny"]}
        ),
        step("update", "ValidatingWebhookConfiguration", "w", webhooks=[{"name": "w"}]),
        step("update", "ResourceQuota", "q", "shop", spec={"hard": {"pods": "1"}}),
        step("update", "LimitRange", "l", "shop", spec={"limits": [{"type": "Pod", "max": {"cpu": "1"}}]}),
        step("delete", "Release", "r", version="helm.sh/v3"),
    ]
    document = {"steps": steps, "changeSummary": {"update": 7, "delete": 1}, "diagnostics": [{"severity": "info"}]}
    text, deep = json.dumps(document), "[" * 300 + "]" * 300
    file = tmp_path / "plan.json"
    ended = Counter[str]()
    for path in list(paths(document))[1:]:
        for odd in ("null", "true", "5", "1.5", '""', '"error"', "[]", "[[]]", "[{}]", "[5]", "{}", '{"a": {}}', deep):
            changed = json.loads(text)
            holder = functools.reduce(lambda value, key: value[key], path[:-1], changed)
            holder[path[-1]] = json.loads(odd)
            file.write_text(json.dumps(changed), encoding="utf-8")
            try:
                read_plan(file, "plan.json")
            except RingfenceError:
                ended["error"] += 1
            else:
                ended["report"] += 1
    assert min(ended["error"], ended["report"]) > 100
