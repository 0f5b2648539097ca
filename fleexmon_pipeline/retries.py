"""Bounded retries with jitter, as every client of an outside system uses them."""

from __future__ import annotations

import stamina
import stamina.instrumentation

# With structlog installed, as by dagster, stamina would print each retry on stdout, where commands write JSON. Who
# retries says so itself: in its account, its ledger, its coverage.
stamina.instrumentation.set_on_retry_hooks([])

retry_context = stamina.retry_context
