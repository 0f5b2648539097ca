"""The bill of materials has every installed package, with hashes, in the standard format."""

from __future__ import annotations

import json
import re

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from fleexmon_pipeline_tests.bill_of_materials import LOCK, bill, locked


def test_every_locked_package_is_in_it_with_its_hashes_and_it_is_valid() -> None:
    text = LOCK.read_text("utf-8")
    names = set(re.findall(r"^([a-z0-9][^=\s]*)==", text, re.MULTILINE))

    written = bill(list(locked(text)))

    components = json.loads(written)["components"]
    hashes = [reference["hashes"] for one in components for reference in one["externalReferences"]]
    assert {one["name"] for one in components} == names
    assert sum(map(len, hashes)) == text.count("--hash=sha256:")
    assert all(one["purl"].startswith("pkg:pypi/") for one in components)
    assert sum("licenses" in one for one in components) > len(components) / 2
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(written) is None
