"""Settings: every environment variable that the product reads, validated, with a hint if it is wrong.

Nothing is read at import; definitions load with no variable set. Other packages import from here.
"""

from fleexmon_pipeline.encoding import Limits
from fleexmon_pipeline.settings.archive import S3, ArchiveSettings, archive, nothing_gets_cold
from fleexmon_pipeline.settings.channels import ChannelSettings, QuietHours, channels, secret_variable
from fleexmon_pipeline.settings.machines import broker, connections_of_a_run, groups, max_connections, most_connections
from fleexmon_pipeline.settings.page_urls import PAGES, page_path, page_url
from fleexmon_pipeline.settings.secret_files import is_set, secret
from fleexmon_pipeline.settings.topology import Topology, topology
from fleexmon_pipeline.settings.values import (
    Environment,
    SettingError,
    base_url,
    http_url,
    is_loopback,
    shown,
    whole_number,
)
from fleexmon_pipeline.settings.variables import (
    GenAISettings,
    GitHubSettings,
    false_alarms_per_day,
    genai,
    genai_limits,
    github,
    heartbeat_url,
    home,
    live_node,
    mcp_token,
    port_note,
    retention_days,
    rules_directory,
    running_ui_port,
    ui_listen,
    ui_port,
    ui_url,
)
from fleexmon_pipeline.settings.watched_nodes import (
    Kind,
    Node,
    demo_note,
    limits,
    node_labels,
    node_of,
    nodes,
    watched,
)

__all__ = [
    "PAGES",
    "S3",
    "ArchiveSettings",
    "ChannelSettings",
    "Environment",
    "GenAISettings",
    "GitHubSettings",
    "Kind",
    "Limits",
    "Node",
    "QuietHours",
    "SettingError",
    "Topology",
    "archive",
    "base_url",
    "broker",
    "channels",
    "connections_of_a_run",
    "demo_note",
    "false_alarms_per_day",
    "genai",
    "genai_limits",
    "github",
    "groups",
    "heartbeat_url",
    "home",
    "http_url",
    "is_loopback",
    "is_set",
    "limits",
    "live_node",
    "max_connections",
    "mcp_token",
    "most_connections",
    "node_labels",
    "node_of",
    "nodes",
    "nothing_gets_cold",
    "page_path",
    "page_url",
    "port_note",
    "retention_days",
    "rules_directory",
    "running_ui_port",
    "secret",
    "secret_variable",
    "shown",
    "topology",
    "ui_listen",
    "ui_port",
    "ui_url",
    "watched",
    "whole_number",
]
