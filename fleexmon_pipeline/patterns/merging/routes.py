"""Requests in templates: statuses and verbs never merge, and routes only if they are too many for one service.

Here: which parts of a request two templates must share to merge, and templates that differ only in their routes. Where
a line has a request: `patterns/requests.py`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from fleexmon_pipeline.patterns.merging.single_words import Offer
from fleexmon_pipeline.patterns.merging.words import request_of
from fleexmon_pipeline.patterns.placeholders import PLACEHOLDER, Template
from fleexmon_pipeline.patterns.requests import VERBS

MAX_ROUTES = 100  # of one statement, verb and status; with more, the paths are guesses of a scanner, or data

_Context = tuple[Template, Template]


def is_route(tokens: Template) -> bool:
    return all(token[:1] == "/" or token == PLACEHOLDER for token in tokens)


def share_request(one: Template, other: Template, *, route: bool) -> bool:
    """Whether both are about requests with the same status and verb, and the same `route`, or neither has a status."""
    return request_of(one, route=route) == request_of(other, route=route)


def around_route(template: Template) -> _Context | None:
    """The tokens before and after the route of a request; None if there is no route."""
    begin = next((i for i, token in enumerate(template) if token[:1] == "/"), 0)
    if not begin or VERBS.isdisjoint(template[:begin]):
        return None
    end = begin + 1
    while (
        end < len(template) and is_route(template[end : end + 1]) and template[end - 1 : end + 1] != (PLACEHOLDER,) * 2
    ):
        end += 1
    if template[end - 1] == PLACEHOLDER:
        end -= 1  # this placeholder follows the route
    return template[:begin], template[end:]


class Routes:
    """Templates, indexed by the tokens around their routes."""

    def __init__(self) -> None:
        self._members: defaultdict[_Context, dict[Template, None]] = defaultdict(dict)

    def note(self, template: Template) -> None:
        if (context := around_route(template)) is not None:
            self._members[context][template] = None

    def drop(self, template: Template) -> None:
        if (context := around_route(template)) is not None and template in self._members.get(context, ()):
            del self._members[context][template]
            if not self._members[context]:
                del self._members[context]

    def offers(self, templates: Iterable[Template]) -> dict[Template, Offer]:
        """Merges of `templates` with all that differ from them only in the route, if there are too many routes."""
        offers: dict[Template, Offer] = {}
        for before, after in {context for template in templates if (context := around_route(template)) is not None}:
            members = self._members.get((before, after), {})
            if len(members) > MAX_ROUTES:
                target = (*before, PLACEHOLDER, *after)
                offers.update((member, (len(members), target, len(before))) for member in members)
        return offers
