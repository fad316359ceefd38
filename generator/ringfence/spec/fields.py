"""What fields of the user's documents are made of: patterns, types, and the base of every model."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

SHORT, FULL = "\0short", "\0full"  # no key of a document: reading refuses NUL
NAME = r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"
CIDR = r"^[0-9a-fA-F:.]+/[0-9]{1,3}$"
QUANTITY = r"^[0-9]+(\.[0-9]+)?(m|k|M|G|T|P|Ki|Mi|Gi|Ti|Pi)?$"
DATE = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"
URL = r"^https://[A-Za-z0-9._~:\[\]-]+(/[A-Za-z0-9._~%:@!$&'()*+,;=/-]*)?$"
ADDRESS = r"^[0-9a-fA-F:.]+$"
LINE = r"^[^\r\n]+$"
# No controls and no white space, spelled out: what \s means differs from one regular-expression engine to the next.
WORD = r"^[^\x00-\x20\x7f-\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff]+$"
PREFIX = r"^[a-z0-9-]+:$"
GUID = r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"
DOMAIN = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)+$"
CLAIM = r"^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)?$"  # what CEL reads as a name
CERTIFICATES = r"^(-----BEGIN CERTIFICATE-----\n([A-Za-z0-9+/=]{1,76}\n)+-----END CERTIFICATE-----\n?)+$"
LABEL_KEY = r"^([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$"
LABEL_VALUE = r"^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$"
REGISTRY = r"^[a-z0-9.-]+(:[0-9]+)?(/[a-z0-9._/-]*)?/$"
FOLDER = r"^[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*$"

Name = Annotated[
    str, Field(pattern=NAME, description="DNS-1123 label: lower-case letters, digits and dashes, at most 63.")
]
Cidr = Annotated[str, Field(pattern=CIDR, description="An address range such as 10.0.0.0/16 or fd00::/48.")]
Quantity = Annotated[str, Field(pattern=QUANTITY, description='A Kubernetes quantity such as "500m" or 2Gi.')]
Labels = dict[Annotated[str, Field(pattern=LABEL_KEY)], Annotated[str, Field(pattern=LABEL_VALUE)]]
Line = Annotated[str, Field(min_length=1, max_length=500, pattern=LINE)]
Group = Annotated[
    str,
    Field(
        min_length=1,
        max_length=250,
        pattern=WORD,
        description="A group as the API server sees it, with its prefix.",
    ),
]


class Model(BaseModel):
    """Every level refuses keys it does not know and never converts a type."""

    model_config = ConfigDict(extra="forbid", strict=True, populate_by_name=True)
