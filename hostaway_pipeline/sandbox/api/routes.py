"""The Hostaway routes and the object or list that each answers with. Access, limits and faults: api/gate.py."""

import html
import logging
from collections.abc import Iterable, Mapping
from datetime import date, timedelta

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hostaway_pipeline.sandbox.api import control, webhooks
from hostaway_pipeline.sandbox.api.envelope import ApiFailure, invalid_client, json_response, page_of, success
from hostaway_pipeline.sandbox.api.gate import Call, Gate, Handler
from hostaway_pipeline.sandbox.lookup import NotFound, find
from hostaway_pipeline.sandbox.templates import LISTING_LISTS, RESERVATION_LISTS, Payload
from hostaway_pipeline.sandbox.world import pages, trails
from hostaway_pipeline.sandbox.world.account import Account
from hostaway_pipeline.sandbox.world.listing_calendar import calendar
from hostaway_pipeline.sandbox.world.objects import Conversation, sign
from hostaway_pipeline.sandbox.world.pages import flag
from hostaway_pipeline.sandbox.world.sorting import order_of
from hostaway_pipeline.sandbox.world.world import Sandbox

LONGEST_CALENDAR = timedelta(3653)
LONGEST_TRAIL_PAGE = 500
EVERY_METHOD = ["GET", "POST", "PUT", "PATCH", "DELETE"]

log = logging.getLogger(__name__)


def create_app(sandbox: Sandbox) -> Starlette:
    """The whole sandbox: /v1 answers as Hostaway, /_sandbox inspects and controls it."""
    gate, answers = Gate(sandbox), Answers(sandbox)

    def get(path: str, handler: Handler) -> Route:
        return Route(path, gate.guarded(path, handler), methods=["GET"])

    messages, tokens = "/v1/conversations/{id}/messages", "/v1/accessTokens"
    return Starlette(
        routes=[
            get(messages, answers.messages),
            get("/v1/reservations", answers.reservations),
            get("/v1/conversations", answers.conversations),
            get("/v1/listings", answers.listings),
            get("/v1/reservations/{id}", answers.reservation),
            get("/v1/reservations/{id}/logs", answers.logs),
            get("/v1/financeField/{id}", answers.finance_fields),
            get("/v1/reservations/{id}/conversations", answers.conversations_of_reservation),
            get("/v1/conversations/{id}", answers.conversation),
            get("/v1/conversations/{id}/messages/{mid}", answers.message),
            get("/v1/listings/{id}", answers.listing),
            get("/v1/listings/{id}/calendar", answers.calendar),
            Route(messages, gate.guarded(messages, answers.send, is_send=True), methods=["POST"]),
            Route(tokens, gate.open(tokens, answers.issue_token), methods=["POST"]),
            Route(tokens, gate.open(tokens, answers.revoke_token), methods=["DELETE"]),
            *webhooks.routes(sandbox, gate),
            *control.routes(sandbox),
            Route("/v1/{rest:path}", gate.guarded("/v1/*", answers.unknown_path), methods=EVERY_METHOD),
        ],
        exception_handlers={Exception: internal_error},
    )


async def internal_error(request: Request, error: Exception) -> Response:
    """Answer a bug of the sandbox with a 500 that cannot be mistaken for one of Hostaway's."""
    log.error("the sandbox failed at %s", request.url.path, exc_info=error)
    return json_response({"error": f"the sandbox failed: {error!r}"}, 500)


class Answers:
    """One handler per path, run under the account's lock; NotFound becomes a 404."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox

    def listings(self, call: Call, account: Account) -> Response:
        query = call.request.query_params
        active = pages.is_active_within
        ids = [key for key, row in account.listings.items() if active(row.own["latestActivityOn"], query)]
        ids = self.sandbox.faults.shorten(ids)
        page = self.sandbox.pager(self.sandbox.config.listings_cap).page(query, len(ids))
        without = () if flag(query, "includeResources", True) else LISTING_LISTS
        without = (*without, *self.sandbox.faults.lists_lack)
        return page_of(page, [account.listings[key].payload(without) for key in ids[page.start : page.stop]])

    def reservations(self, call: Call, account: Account) -> Response:
        query = call.request.query_params
        pager = self.sandbox.pager(self.sandbox.config.reservations_cap)
        sort_order = None if self.sandbox.faults.ignore_orders else query.get("sortOrder")
        order = order_of(account, sort_order)
        without = () if flag(query, "includeResources", True) else RESERVATION_LISTS
        without = (*without, *self.sandbox.faults.lists_lack)
        if "latestActivityStart" in query or "latestActivityEnd" in query:
            ids = [
                key
                for key in order.ids(0, len(order))
                if pages.is_active_within(account.reservations[key].own["latestActivityOn"], query)
            ]
            page = pager.page(query, len(ids))
            ids = ids[page.start : page.stop]
        else:
            page = pager.page(query, len(order), start=pages.start_after(order, query))
            ids = order.ids(page.start, page.stop)
        return page_of(page, [account.reservations[key].payload(without) for key in ids])

    def conversations(self, call: Call, account: Account) -> Response:
        """Reads limit, offset, reservationId and includeResources; ignores all other parameters."""
        query = call.request.query_params
        threads: Iterable[Conversation] = account.conversations.values()
        if "reservationId" in query:
            threads = account.threads_of(pages.number(query, "reservationId", 0))
        return self._conversation_page(call, account, list(threads))

    def conversations_of_reservation(self, call: Call, account: Account) -> Response:
        reservation_id = call.id("id")
        if reservation_id not in account.reservations:
            raise NotFound(reservation_id)
        return self._conversation_page(call, account, account.threads_of(reservation_id))

    def messages(self, call: Call, account: Account) -> Response:
        conversation = find(account.conversations, call.id("id"))
        query = call.request.query_params
        scheduled_too = flag(query, "includeScheduledMessages", False)
        messages = conversation.messages if scheduled_too else conversation.visible()
        page = self.sandbox.pager(self.sandbox.config.messages_cap).page(query, len(messages))
        return page_of(page, [message.payload(sign) for message in messages[page.start : page.stop]])

    def listing(self, call: Call, account: Account) -> Response:
        return success(find(account.listings, call.id("id")).payload())

    def calendar(self, call: Call, account: Account) -> Response:
        """The days from `startDate` to `endDate`, both included; by default a month from today (Hostaway: unknown)."""
        query, listing_id = call.request.query_params, call.id("id")
        find(account.listings, listing_id)
        first = calendar_day(query, "startDate", account.today)
        last = calendar_day(query, "endDate", first + timedelta(30))
        if not timedelta(0) <= last - first <= LONGEST_CALENDAR:
            raise ApiFailure(400, "endDate must lie after startDate, by ten years at most")
        with_resources = flag(query, "includeResources", True)
        days = calendar(account, listing_id, first.toordinal(), last.toordinal(), with_resources=with_resources)
        return success(self.sandbox.faults.distort(days))

    def finance_fields(self, call: Call, account: Account) -> Response:
        return success(find(account.reservations, call.id("id")).payload()["financeField"])

    def logs(self, call: Call, account: Account) -> Response:
        """The audit trail, newest first: all of it, unless `limit` or `offset` asks for a page."""
        booking, query = find(account.reservations, call.id("id")), call.request.query_params
        whole = trails.payloads(booking, account.trails.of(booking))
        shown = trails.distort(whole, booking.own["id"], self.sandbox.faults)
        if "limit" not in query and "offset" not in query:
            return success(shown)
        page = self.sandbox.pager(LONGEST_TRAIL_PAGE).page(query, len(shown))
        return json_response(
            {
                "status": "success",
                "result": shown[page.start : page.stop],
                "limit": page.limit,
                "offset": page.start,
                "count": page.count,
            }
        )

    def reservation(self, call: Call, account: Account) -> Response:
        reservation_id = call.id("id")
        if reservation_id in account.locked_reservations:
            raise ApiFailure(403, "The reservation is locked")
        return success(find(account.reservations, reservation_id).payload())

    def conversation(self, call: Call, account: Account) -> Response:
        with_resources = flag(call.request.query_params, "includeResources", False)
        conversation = find(account.conversations, call.id("id"))
        return success(conversation_payload(account, conversation, with_resources))

    def message(self, call: Call, account: Account) -> Response:
        return success(account.message(call.id("id"), call.id("mid")).payload(sign))

    def send(self, call: Call, account: Account) -> Response:
        """Send a message to the guest, without attachments; by email unless `communicationType` says otherwise."""
        request = call.json
        if not isinstance(request.get("body"), str) or not request["body"]:
            raise ApiFailure(400, "body is required")
        channel = request.get("communicationType") or "email"
        conversation_id = call.id("id")
        body = html.escape(request["body"], quote=False) if self.sandbox.faults.send_escapes else request["body"]
        sent = account.add_message(conversation_id, body, False, communication_type=channel, sent_using_hostaway=True)
        return success(sent)

    def issue_token(self, call: Call) -> Response:
        """Exchange form-encoded client credentials for a token; the answer has no envelope."""
        form = call.form
        account = self.sandbox.world.with_credentials(form.get("client_id", ""), form.get("client_secret", ""))
        if account is None:
            return invalid_client()
        if form.get("grant_type") != "client_credentials":
            return json_response({"error": "unsupported_grant_type"}, 400)
        tokens = self.sandbox.tokens
        token = tokens.issue(account.id)
        return json_response({"token_type": "Bearer", "expires_in": tokens.expires_in, "access_token": token})

    def revoke_token(self, call: Call) -> Response:
        if not self.sandbox.tokens.revoke(call.request.query_params.get("token", "")):
            raise ApiFailure(404, "Token not found")
        return success([])

    def unknown_path(self, call: Call, account: Account) -> Response:
        raise ApiFailure(404, "The requested resource was not found")

    def _conversation_page(self, call: Call, account: Account, threads: list[Conversation]) -> Response:
        query = call.request.query_params
        with_resources = flag(query, "includeResources", False)
        page = self.sandbox.pager(self.sandbox.config.conversations_cap).page(query, len(threads))
        shown = threads[page.start : page.stop]
        return page_of(page, [conversation_payload(account, thread, with_resources) for thread in shown])


def conversation_payload(account: Account, conversation: Conversation, with_resources: bool) -> Payload:
    """A conversation; with resources also its latest message, and its reservation or null for an enquiry."""
    payload = conversation.payload()
    if with_resources:
        latest = conversation.latest()
        row = account.reservations.get(conversation.reservation_id or 0)
        payload["conversationMessages"] = [latest.payload(sign)] if latest else []
        payload["Reservation"] = row.payload(RESERVATION_LISTS) if row else None
    return payload


def calendar_day(query: Mapping[str, str], name: str, default: date) -> date:
    """Parse a date of the query; raises ApiFailure if it is not one."""
    try:
        return date.fromisoformat(query[name]) if name in query else default
    except ValueError as error:
        raise ApiFailure(400, f"{name} is not a date") from error
