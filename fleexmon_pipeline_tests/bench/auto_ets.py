"""AutoETS of statsforecast on hourly series: `python auto_ets.py FILE`, one JSON document.

FILE is a JSON list of series of hourly values; the answer has for each the values, and both ends of the 80 % interval,
of the next 12 hours. Runs with a folder of packages of its own (see `forecast_accuracy.py`): statsforecast
brings compilers and data frames that nothing else here needs.
"""

from __future__ import annotations

import json
import sys
import warnings
from pathlib import Path

HORIZON, LEVEL, SEASON = 12, 80, 24


def main() -> None:
    import numpy as np  # noqa: PLC0415
    from statsforecast.models import AutoETS  # type: ignore[import-not-found]  # noqa: PLC0415

    warnings.simplefilter("ignore")
    answers = []
    for values in json.loads(Path(sys.argv[1]).read_text("utf-8")):
        found = AutoETS(season_length=SEASON).forecast(np.array(values, float), h=HORIZON, level=[LEVEL])
        answers.append([list(map(float, found[name])) for name in ("mean", f"lo-{LEVEL}", f"hi-{LEVEL}")])
    print(json.dumps(answers))


if __name__ == "__main__":
    main()
