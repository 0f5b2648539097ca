"""An invalid variable: the error begins with its name. For the tests of `settings.py`."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from fleexmon_pipeline.settings import SettingError

Read = Callable[[dict[str, str]], object]


def refusal(read: Read, **environment: str) -> SettingError:
    with pytest.raises(SettingError) as raised:
        read(environment)
    assert str(raised.value).startswith(f"{raised.value.variable}: ")
    return raised.value
