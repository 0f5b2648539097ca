"""Split a node's answer into records, in any form: where each record begins and ends."""
