"""Columns of the tables that assets write, for Dagster's catalog: names, types and meanings.

A test compares them with a migrated database. The tables themselves:
`database/migrations/versions/`.
"""

from __future__ import annotations

import dagster as dg

# One line per column: name, PostgreSQL type (with `?` if NULL is allowed), and its meaning unless the name is clear.
COLUMNS = {
    "LogEntry": """
        id           uuid         derived from time and content: a line that is collected again has the same id
        timestamp    timestamp    when the line was written, UTC
        level        varchar      fatal, error, warn, info or debug; other programs may write other words
        message      text         as the node wrote it, with secrets; they are replaced where it is shown
        source       varchar      the node
        hostname     varchar      its host, as the operator wrote it
        metadata     jsonb?       every other field of the record
        analyzed     bool?        counted, and judged by GenAI where an agent is configured
        createdAt    timestamp?   when it was stored
    """,
    "LogCoverage": """
        node         varchar      its name
        slot         timestamp    start of 5 minutes, UTC
        status       varchar      complete, empty, partial or missing
        received     int8         stored + duplicate + rejected
        stored       int8         lines of the slot in LogEntry
        duplicate    int8
        rejected     int8         records of the slot in RejectedLog
        attempts     int4
        error        text?        the node's last error
        run          varchar?     id of the run that wrote the row
        updatedAt    timestamp
    """,
    "RejectedLog": """
        id           uuid         derived from source, payload and ordinal
        source       varchar      the node
        hostname     varchar
        payload      text         the record as received, at most 100,000 characters
        reason       varchar      why it could not become a line
        slot         timestamp
        windowStart  timestamp    start of the window that was polled
        windowEnd    timestamp
        run          varchar?
        createdAt    timestamp
    """,
    "LogPattern": """
        id           varchar      hash of the template
        template     text         the text of its lines, with placeholders
        level        varchar      the worst level seen
        firstSeen    timestamp
        lastSeen     timestamp
        maskVersion  int4         version of the masks that made the template
        aliasOf      varchar?     the pattern that this one was merged into
        aliasSince   timestamp?   the first slot that the merge counts for; NULL: all slots
    """,
    "LogPatternCount": """
        slot         timestamp    start of 5 minutes, UTC
        node         varchar      its name
        pattern      varchar      LogPattern.id
        level        varchar      of these lines
        count        int8         lines
        samples      uuid[]       ids of some of these lines in LogEntry
        p50          float4?      median of the durations in these lines, ms where the unit is known; or else of steps
        p95          float4?      95th percentile of the same
        variety      int8?        different values of each field of up to 8 of these lines, 4 bits a field
        steps        bool         p50 (an average) and p95 are ms since the previous line of the same request
        stepsAfter   text?        the other node whose line came before the longest of these steps
    """,
    "LogLevelCount": """
        half         timestamp    start of half an hour, UTC
        node         varchar      its name
        level        varchar      of these lines
        count        int8         lines, of all patterns
    """,
    "GenAICall": """
        id             uuid
        at             timestamp  when the agent was asked
        windowStart    timestamp  the window that the question is about
        windowEnd      timestamp
        promptVersion  varchar
        evidenceHash   varchar    identical evidence is answered from this table
        model          varchar?
        tokensIn       int4?
        tokensOut      int4?
        latencyMs      int4
        outcome        varchar    ok, or how the call failed
        error          text?
        answer         jsonb?
        run            varchar?
        cost           numeric?   at the prices of its day
        replay         bool       asked by a replay; no issue follows from it
    """,
    "LogIssue": """
        id              uuid
        type            varchar      the rule's name, or what GenAI called it
        severity        varchar      low, medium, high or critical
        title           varchar      what, where, which, how much
        description     text         the same in a sentence
        rootCause       text?        what GenAI thinks
        recommendation  text?        what to do
        source          varchar      detector, predictor or genai
        status          varchar?     open or resolved
        detectedAt      timestamp    event time of the first occurrence
        updatedAt       timestamp    event time of the last one
        resolvedAt      timestamp?   event time of its end
        metadata        jsonb?       fingerprint, rule, figures
        affectedLogs    uuid[]?      evidence: ids in LogEntry
    """,
    "IssueOccurrence": """
        fingerprint     varchar      rule:subject
        slot            timestamp    the slot in which the rule fired
        subject         varchar      node:…, pattern:…@node or fleet
        rule            varchar
        ruleVersion     varchar
        source          varchar      detector, predictor or genai
        type            varchar
        severity        varchar
        title           varchar
        description     text
        rootCause       text?
        recommendation  text?
        nodes           varchar[]
        grace           interval     occurrences closer together than this form one issue
        affected        int8         lines
        evidence        uuid[]       ids of some of these lines in LogEntry
        metadata        jsonb
        wordingVersion  varchar?     a hash of the texts that the figures were filled into
    """,
    "IssueEpisode": """
        id           uuid         LogIssue.id
        fingerprint  varchar
        firstSlot    timestamp
        lastSlot     timestamp
    """,
    "Incident": """
        id            uuid         of the issue that came first
        title         varchar
        severity      varchar      the worst of its open issues; of an incident that is over, of all
        status        varchar      open or resolved
        nodes         varchar[]
        startedAt     timestamp
        lastSeenAt    timestamp    end of the last slot in which an issue fired
        endedAt       timestamp?   when its last issue was resolved
        issues        uuid[]       from first to last
        headline      uuid         the issue that its title is about
        firstPattern  varchar?     LogPattern.id
        figures       jsonb        lines and errors of its nodes, and the expected errors
        changes       jsonb        deployments, restarts and configuration just before
    """,
    "ShadowOccurrence": """
        fingerprint     varchar      rule:subject
        slot            timestamp
        rule            varchar      a rule in shadow mode
        severity        varchar
        title           varchar
        nodes           varchar[]
        affected        int8         lines
        wordingVersion  varchar?     as of IssueOccurrence
    """,
    "LogForecast": """
        madeAt       timestamp    event time: nothing later was known
        node         varchar
        subject      varchar      lines, level:…, error-rate, pattern:… or `crossing:<rule>`
        horizon      int2         hours ahead
        hour         timestamp    the hour that is forecast
        value        float8
        low          float8       the 80 % interval
        high         float8
        lastHour     float8?      naive forecast: the value of the hour before
        dayBefore    float8?      naive forecast: the value of the day before
        actual       float8?      NULL until the hour is over
        hit          bool?        whether the interval held
        figures      jsonb?       figures behind a crossing
    """,
    "LogDigest": """
        day          date         UTC
        figures      jsonb        figures of the digest
        markdown     text         as posted to GitHub
        html         text         the page of `fleexmon digest --html`
        generatedAt  timestamp    when it was written last
    """,
    "Outbox": """
        key            varchar    `digest:<day>` or `incident:<id>`; `issue:<fingerprint>` of earlier versions
        desired        jsonb      what GitHub should show
        shown          jsonb?     what it shows
        number         int4?      of the GitHub issue
        url            varchar?
        attempts       int4
        lastError      text?
        nextAttemptAt  timestamp?
        createdAt      timestamp
        updatedAt      timestamp
        heldUntil      timestamp?  as GitHub asked
    """,
    "ArchivedDay": """
        day            timestamp   its start, UTC
        state          varchar     archived; restored: its lines are in LogEntry as well; expired: being deleted
        file           varchar     below FLEEXMON_ARCHIVE
        stale          varchar[]   earlier files of the day, deleted by the next retention
        lines          int8
        bytes          int8        of the file
        sha256         varchar     of the file
        hours          jsonb       for each hour with lines: their number and a hash of their content
        writtenAt      timestamp
        run            varchar?    id of the run that wrote the file
    """,
    "ChannelMessage": """
        channel        varchar     its name in FLEEXMON_CHANNELS
        key            varchar     `issue:<fingerprint>`, `digest:<day>`: one thread where the service has threads
        eventId        varchar     a channel gets an event once
        position       int8        order of sending
        event          varchar     opened, worse, joined, ended, returned, digest, summary
        severity       varchar
        message        jsonb
        status         varchar     waiting, sent, merged or failed
        attempts       int4
        inFlight       bool        an attempt began, and its outcome is not known
        unproven       int4        attempts that may have arrived
        accepted       varchar[]   hashes of targets that took it
        lastError      text?
        nextAttemptAt  timestamp?
        mergedInto     varchar?    event id of the summary
        createdAt      timestamp
        sentAt         timestamp?
    """,
    "ChannelThread": """
        channel        varchar
        key            varchar
        thread         jsonb       the service's own identifiers
        updatedAt      timestamp
    """,
    "ChannelState": """
        channel        varchar
        failures       int4        in a row
        failingSince   timestamp?
        lastError      text?
        lastFailureAt  timestamp?
        lastSuccessAt  timestamp?
        nextAttemptAt  timestamp?
        heldUntil      timestamp?  as the service asked
    """,
}


def table_metadata(tables: list[str]) -> dict[str, object]:
    """Metadata of an asset: the first table as the asset's own, the others under their names."""
    main, *others = tables
    return {
        "dagster/table_name": main,
        "dagster/column_schema": column_schema(main),
        **{f"table/{table}": column_schema(table) for table in others},
    }


def column_schema(table: str) -> dg.TableSchema:
    return dg.TableSchema(columns=[_column(*line.split(maxsplit=2)) for line in COLUMNS[table].strip().splitlines()])


def _column(name: str, sql_type: str, meaning: str = "") -> dg.TableColumn:
    nullable = sql_type.endswith("?")
    constraints = dg.TableColumnConstraints(nullable=nullable)
    return dg.TableColumn(name, sql_type.removesuffix("?"), description=meaning or None, constraints=constraints)
