"""How many lines a second drain3 takes, with the masks of its README: `python drain3_rate.py FILE`, one JSON document.
With `--groups`, FILE is a JSON list of lines, and the answer the cluster of each.

Runs in an environment of its own (see `patterns.py`): drain3 pins packages that are older than ours.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

# As in its README and examples/drain3.ini.
_BEGIN, _END = r"((?<=[^A-Za-z0-9])|^)", r"((?=[^A-Za-z0-9])|$)"
MASKS = [
    (_BEGIN + r"(([0-9a-f]{2,}:){3,}([0-9a-f]{2,}))" + _END, "ID"),
    (_BEGIN + r"(\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3})" + _END, "IP"),
    (_BEGIN + r"([0-9a-f]{6,} ?){3,}" + _END, "SEQ"),
    (_BEGIN + r"([0-9A-F]{4} ?){4,}" + _END, "SEQ"),
    (_BEGIN + r"(0x[a-f0-9A-F]+)" + _END, "HEX"),
    (_BEGIN + r"([\-\+]?\d+)" + _END, "NUM"),
    (r"(?<=executed cmd )(\".+?\")", "CMD"),
]


def main() -> None:
    from drain3 import TemplateMiner  # type: ignore[import-not-found]  # noqa: PLC0415
    from drain3.masking import MaskingInstruction  # type: ignore[import-not-found]  # noqa: PLC0415
    from drain3.template_miner_config import TemplateMinerConfig  # type: ignore[import-not-found]  # noqa: PLC0415

    config = TemplateMinerConfig()
    config.masking_instructions = [MaskingInstruction(pattern, kind) for pattern, kind in MASKS]
    config.drain_extra_delimiters = ["_"]
    config.profiling_enabled = False
    miner = TemplateMiner(config=config)
    if sys.argv[1] == "--groups":
        groups = [
            str(miner.add_log_message(line)["cluster_id"]) for line in json.loads(Path(sys.argv[2]).read_text("utf-8"))
        ]
        print(json.dumps(groups))
        return
    lines = Path(sys.argv[1]).read_text("utf-8").split("\n")[:-1]
    rates = {}
    for what in ("cold", "known"):
        begun = time.process_time()
        for line in lines:
            miner.add_log_message(line)
        rates[what] = len(lines) / (time.process_time() - begun)
    print(json.dumps({"lines": len(lines), **rates}))


if __name__ == "__main__":
    main()
