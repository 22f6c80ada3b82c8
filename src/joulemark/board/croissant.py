"""The board described as a data set: Croissant 1.1, the JSON-LD that tools of machine learning and data-set search read."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Final

from joulemark.board import feed, table
from joulemark.board.site import Site

NAME: Final = "croissant.json"
CONFORMS_TO: Final = "http://mlcommons.org/croissant/1.1"
MEDIA_TYPE: Final = "application/ld+json"
RECORDS: Final = "entries"
FORMATS: Final = {table.NAME: table.MEDIA_TYPE, feed.NAME: "application/json"}
DESCRIPTION: Final = f"{feed.DESCRIPTION} One row for each entry; ranks stand inside one comparability class alone."

CONTEXT: Final = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    **{name: f"cr:{name}" for name in ("arrayShape", "citeAs", "column")},
    "conformsTo": "dct:conformsTo",
    "containedIn": "cr:containedIn",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "description": {"@container": "@language"},
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    **{name: f"cr:{name}" for name in ("extract", "field", "fileProperty", "fileObject", "fileSet", "format", "includes", "isArray")},
    **{name: f"cr:{name}" for name in ("isLiveDataset", "jsonPath", "key", "md5")},
    "name": {"@container": "@language"},
    **{name: f"cr:{name}" for name in ("parentField", "path", "recordSet", "references", "regex", "repeated", "replace", "samplingRate")},
    "sc": "https://schema.org/",
    **{name: f"cr:{name}" for name in ("separator", "source", "subField", "transform")},
}
"""The context of Croissant 1.1, clause "JSON-LD context"."""


def described(files: Mapping[str, bytes], site: Site, *, date: str, addresses: Mapping[str, str], live: bool = False) -> dict[str, Any]:
    """The description of `files`, the table among them, as of `date` (`2026-12-31`). `addresses`: of each file.

    `live`: the files grow, so that their hashes hold for this moment.
    """
    return {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": CONFORMS_TO,
        "name": site.title,
        "description": DESCRIPTION,
        "url": site.home,
        "datePublished": date,
        "version": ".".join(str(int(number)) for number in date.split("-")),
        "citeAs": f"@misc{{energy-board, title = {{{site.title}}}, note = {{as of {date}}}, url = {{{site.home}}}}}",
        **({"license": site.license_url} if site.license_url else {}),
        **({"isLiveDataset": True} if live else {}),
        "keywords": ["energy", "joules per token", "inference", "measurement"],
        "distribution": [file(name, data, address=addresses[name]) for name, data in sorted(files.items())],
        "recordSet": [
            {
                "@type": "cr:RecordSet",
                "@id": RECORDS,
                "name": RECORDS,
                "description": "One row for each entry, the withdrawn ones too.",
                "key": {"@id": f"{RECORDS}/entry_id"},
                "field": [field(column) for column in table.COLUMNS],
            }
        ],
    }


def file(name: str, data: bytes, *, address: str) -> dict[str, Any]:
    """One file of the distribution."""
    return {
        "@type": "cr:FileObject",
        "@id": name,
        "name": name,
        "contentUrl": address,
        "contentSize": f"{len(data)} B",
        "encodingFormat": FORMATS[name],
        "sha256": hashlib.sha256(data).hexdigest(),
    }


def field(column: table.Column) -> dict[str, Any]:
    """One column of the table."""
    return {
        "@type": "cr:Field",
        "@id": f"{RECORDS}/{column.name}",
        "name": column.name,
        "description": column.description,
        "dataType": f"sc:{column.kind}",
        "source": {"fileObject": {"@id": table.NAME}, "extract": {"column": column.name}},
    }
