"""The template of each line by logfold, with its defaults: `python logfold_groups.py --groups FILE`.

FILE is a JSON list of lines. Runs in an environment of its own (see `patterns.py`).
"""

from __future__ import annotations

import json
import sys
from pathlib import Path


def main() -> None:
    from logfold import Miner  # type: ignore[import-not-found]  # noqa: PLC0415

    lines = json.loads(Path(sys.argv[2]).read_text("utf-8"))
    miner = Miner()
    miner.add_many(lines)
    print(json.dumps([match.id if match else "" for match in miner.match_many(lines)]))


if __name__ == "__main__":
    main()
