"""A structured file that is wrong: the API server's own refusal, in one error that names the file's log and what it said."""

from __future__ import annotations

from typing import Any

import pytest
from cluster.trees import put

from ringfence.documents import dump
from ringfence.errors import ToolError
from ringfence.sandbox import ControlPlane
from ringfence.sandbox.hostfiles import structured
from ringfence.shape import Path

FOLDER = "/etc/kubernetes/ringfence"


@pytest.mark.parametrize(
    ("name", "where", "value", "said"),
    [
        ("admission", ("plugins", 0, "configuration", "limits", 0, "type"), "Tenant", 'Unsupported value: "Tenant"'),
        (
            "admission",
            ("plugins", 1, "configuration", "defaults", "enforce"),
            "strict",
            "enforce: must be one of privileged, baseline, restricted",
        ),
        ("authorization", ("authorizers", 1, "type"), "Rbac", 'authorizers[1].type: Unsupported value: "Rbac"'),
        (
            "authentication",
            ("jwt", 0, "userValidationRules", 0, "expression"),
            "user.nme == ''",
            "undefined field 'nme'",
        ),
        ("authentication", ("jwt", 0, "issuer", "audiences"), [], "jwt[0].issuer.audiences: Required value"),
        ("audit-policy", ("rules", 0, "level"), "Everything", 'Unsupported value: "Everything"'),
    ],
)
def test_a_wrong_file_is_one_error_with_the_api_servers_words(
    control_plane: ControlPlane, name: str, where: Path, value: Any, said: str
) -> None:
    path = f"{FOLDER}/{name}.yaml"
    (content,) = structured(path, control_plane.host.files[path]) or ()
    with (
        pytest.raises(ToolError) as bad,
        control_plane.second_apiserver(files={path: dump(put(content, where, value))}),
    ):
        pass
    assert bad.value.message.startswith("kube-apiserver-")
    assert bad.value.message.endswith("ended with exit code 1")
    assert said in str(bad.value.hint).replace('\\"', '"')
    assert str(bad.value.hint).startswith("its log ")
