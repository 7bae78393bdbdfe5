"""Both clients against a server in memory."""

from __future__ import annotations

import asyncio
import pickle
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import httpx
import pytest

import prony
from prony import AsyncClient, Client, PronyClient, PronyError
from tests.core.scripted import Scripted, problem, reply

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

ID = "18867251edfa0000"
URL = "http://prony.test:8080"


@pytest.fixture(autouse=True)
def _no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PRONY_API_KEY", raising=False)


def blocking(transport: Scripted, **options: Any) -> Client:  # noqa: ANN401
    return Client(options.pop("url", URL), http=httpx.Client(transport=transport), **options)


def awaiting(
    transport: Scripted,
    use: Callable[[AsyncClient], Coroutine[Any, Any, Any]],
    **options: Any,  # noqa: ANN401
) -> Any:  # noqa: ANN401
    async def run() -> Any:  # noqa: ANN401
        async with httpx.AsyncClient(transport=transport) as http:
            return await use(PronyClient(URL, http=http, **options))

    return asyncio.run(run())


def test_users_code_works_as_it_is_written() -> None:
    entry = {"id": ID, "status": "completed", "progress": {"share": 1.0}}
    results = {"id": ID, "status": "completed", "runs": [{"p95_ttft_ms": 12.5}]}
    server = Scripted(reply(202, entry), reply(200, entry), reply(200, results))

    async def use(client: AsyncClient) -> None:
        benchmark_id = await client.start_benchmark(
            {
                "models": ["gpt-4", "claude-3", "mistral-7b"],
                "concurrent_users": 100,
                "duration_minutes": 30,
                "test_scenarios": ["short_queries", "long_documents", "code_generation"],
            }
        )
        status = await client.get_benchmark_status(benchmark_id)
        assert status["progress"]["share"] == 1.0
        got = await client.get_benchmark_results(benchmark_id)
        assert got == results
        assert (got.id, got.status, got.runs[0]["p95_ttft_ms"]) == (ID, "completed", 12.5)

    awaiting(server, use)
    assert server.asked == [
        "POST /api/v1/benchmarks",
        f"GET /api/v1/benchmarks/{ID}",
        f"GET /api/v1/benchmarks/{ID}/results",
    ]
    assert server.body()["test_scenarios"] == ["short_queries", "long_documents", "code_generation"]
    assert server.requests[0].headers["content-type"] == "application/json"


@pytest.mark.parametrize("cut", [httpx.ReadError, httpx.ReadTimeout, httpx.RemoteProtocolError])
def test_a_benchmark_is_started_once_though_the_connection_is_lost(
    cut: type[httpx.TransportError], monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    monkeypatch.setattr("time.sleep", pauses.append)
    server = Scripted(cut, reply(202, {"id": ID}), reply(202, {"id": "another"}))
    client = blocking(server)
    assert client.start_benchmark({"models": ["small"]}) == ID
    client.start_benchmark({"models": ["small"]})
    first, again, other = (request.headers["idempotency-key"] for request in server.requests)
    assert first == again != other
    assert len(pauses) == 1


def test_awaiting_pauses_without_holding_up_others(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    monkeypatch.setattr("asyncio.sleep", sleep)
    server = Scripted(problem(503), reply(200, {"items": []}))
    assert awaiting(server, lambda client: client.targets()) == []
    assert len(pauses) == 1


START = datetime(2026, 1, 1, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("use", "asked"),
    [
        (lambda client: client.server_status(), "GET status"),
        (lambda client: client.targets(), "GET targets"),
        (lambda client: client.scenarios(), "GET scenarios"),
        (lambda client: client.availability(), "GET availability"),
        (lambda client: client.availability("a b"), "GET availability?target=a+b"),
        (lambda client: list(client.list_benchmarks()), "GET benchmarks"),
        (
            lambda client: list(client.list_benchmarks(status="running", model="a b", page_size=5)),
            "GET benchmarks?status=running&model=a+b&limit=5",
        ),
        (lambda client: client.cancel_benchmark("a/b"), "POST benchmarks/a%2Fb/cancel"),
        (lambda client: client.delete_benchmark("?"), "DELETE benchmarks/%3F"),
        (lambda client: client.timeline("a", 2), "GET benchmarks/a/timeline?run=2"),
        (
            lambda client: client.distribution("a", metric="itl"),
            "GET benchmarks/a/distribution?run=0&metric=itl",
        ),
        (lambda client: client.heatmap("a"), "GET benchmarks/a/heatmap?run=0&metric=ttft"),
        (
            lambda client: list(client.records("a", 1, outcome="failed", sort="-ttft")),
            "GET benchmarks/a/records?run=1&outcome=failed&sort=-ttft",
        ),
        (lambda client: client.get_record("a", "r-1"), "GET benchmarks/a/records/r-1"),
        (
            lambda client: list(client.content("a", 1, outcome="failed", page_size=5)),
            "GET benchmarks/a/content?run=1&outcome=failed&limit=5",
        ),
        (lambda client: client.get_content("a", "r-1"), "GET benchmarks/a/content/r-1"),
        (
            lambda client: client.rollups(
                START,
                START + timedelta(hours=1),
                step_seconds=60,
                group_by=["model", "region"],
                filters={"model": ["a", "b"], "source": "bench", "region": None},
            ),
            "GET rollups?from_unix_ms=1767225600000&to_unix_ms=1767229200000&step_seconds=60"
            "&group_by=model%2Cregion&model=a%2Cb&source=bench",
        ),
        (
            lambda client: client.rollups(START, START, points=100),
            "GET rollups?from_unix_ms=1767225600000&to_unix_ms=1767225600000&points=100",
        ),
        (lambda client: client.alerts(), "GET alerts"),
        (lambda client: client.alert_rules(), "GET alert-rules"),
        (lambda client: client.silences(), "GET silences"),
        (lambda client: client.create_silence(['model="a"'], START), "POST silences"),
        (lambda client: client.delete_silence("s-1"), "DELETE silences/s-1"),
    ],
)
def test_each_method_asks_for_its_resource(use: Callable[[Client], Any], asked: str) -> None:
    server = Scripted(reply(200, {"items": []}))
    use(blocking(server, url=f"{URL}/behind/a/proxy/"))
    method, path = asked.split(" ")
    assert server.asked == [f"{method} /behind/a/proxy/api/v1/{path}"]


def test_a_moment_without_a_time_zone_is_refused() -> None:
    client = blocking(Scripted())
    naive = START.replace(tzinfo=None)
    with pytest.raises(ValueError, match="has no time zone"):
        client.rollups(naive)
    with pytest.raises(ValueError, match="has no time zone"):
        client.create_silence([], naive)


def test_a_silence_ends_at_a_moment() -> None:
    server = Scripted(reply(201, {"id": "s-1"}))
    blocking(server).create_silence(('model="a"',), START, "moving")
    until = "2026-01-01T00:00:00.000+00:00"
    assert server.body() == {"matchers": ['model="a"'], "until": until, "comment": "moving"}


def test_the_key_is_sent_and_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    def sent(**options: str) -> Any:  # noqa: ANN401
        server = Scripted(reply(200, {"items": []}))
        blocking(server, **options).targets()
        return server.requests[0].headers.get("authorization")

    assert sent() is None
    monkeypatch.setenv("PRONY_API_KEY", "from-environment")
    assert sent() == "Bearer from-environment"
    assert sent(api_key="given") == "Bearer given"
    assert "given" not in repr(Client(URL, api_key="given"))
    with pytest.raises(ValueError, match="odd characters") as raised:
        Client(URL, api_key="sécret\n")
    assert "cret" not in str(raised.value)


@pytest.mark.parametrize("url", ["127.0.0.1:8080", "", "ftp://127.0.0.1", "http://"])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="no address like http"):
        Client(url)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, prony.BadRequestError),
        (401, prony.AuthenticationError),
        (403, prony.PermissionDeniedError),
        (404, prony.NotFoundError),
        (405, prony.ApiError),
        (409, prony.ConflictError),
        (422, prony.InvalidRequestError),
        (429, prony.RateLimitError),
        (500, prony.ServerError),
        (503, prony.BusyError),
    ],
)
def test_a_refusal_is_its_problem(status: int, kind: type[prony.ApiError]) -> None:
    faults = [
        {"pointer": "/models/0", "detail": "no target is called `x`"},
        {"pointer": "", "detail": "has no load"},
    ]
    told = problem(
        status,
        type="urn:prony:problem:invalid-request",
        title="The request is not valid",
        detail="2 things are wrong with the body",
        hint="correct what `errors` names",
        errors=faults,
    )
    with pytest.raises(PronyError) as raised:
        blocking(Scripted(told), retries=0).targets()
    error = pickle.loads(pickle.dumps(raised.value))
    assert type(error) is kind
    assert (error.status, error.title) == (status, "The request is not valid")
    assert [(fault.pointer, fault.detail) for fault in error.errors] == [
        ("/models/0", "no target is called `x`"),
        ("", "has no load"),
    ]
    assert str(error) == (
        "The request is not valid: 2 things are wrong with the body\n"
        "  /models/0: no target is called `x`\n"
        "  the body: has no load\n"
        "hint: correct what `errors` names"
    )


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(200, text="<html>welcome</html>"),
        httpx.Response(200, json=[]),
        httpx.Response(200, json={"status": "ok"}),
        httpx.Response(200),
        httpx.Response(302, headers={"location": "https://login.example"}),
    ],
)
def test_another_server_s_answer_is_told(answer: httpx.Response) -> None:
    with pytest.raises(prony.UnexpectedAnswerError, match="GET targets was answered with"):
        blocking(Scripted(answer)).targets()


def test_a_proxy_s_refusal_has_no_problem_but_its_status() -> None:
    html = httpx.Response(502, text="<html>")
    with pytest.raises(prony.ServerError, match=r"^The server answered 502$"):
        blocking(Scripted(html), retries=0).targets()


def test_who_cannot_be_reached_is_named_without_passwords() -> None:
    client = blocking(Scripted(httpx.ConnectError), url="http://me:pw@prony.test:8080", retries=0)
    with pytest.raises(prony.UnreachableError) as raised:
        client.targets()
    said = "GET targets got no answer from http://prony.test:8080/: the line is cut"
    assert str(raised.value).splitlines()[0] == said
    assert "pw" not in repr(client)


WINDOWS = b'event: window\ndata: {"at_unix_ms":1}\n\nevent: window\ndata: {"at_unix_ms":2}\n\n'


def test_windows_are_iterated_and_leaving_closes_the_stream() -> None:
    answers = [httpx.Response(200, content=WINDOWS) for _ in range(3)]
    server = Scripted(*answers)
    client = blocking(server)
    assert [window["at_unix_ms"] for window in client.live()] == [1, 2]
    for window in client.live():
        assert window["at_unix_ms"] == 1
        break

    async def use(client: AsyncClient) -> list[int]:
        return [window["at_unix_ms"] async for window in client.live()]

    assert awaiting(server, use) == [1, 2]
    assert all(answer.is_closed for answer in answers)


def test_a_live_stream_that_is_refused_or_cut_says_so() -> None:
    class Cut(httpx.SyncByteStream):
        def __iter__(self) -> Any:  # noqa: ANN401
            yield WINDOWS
            raise httpx.ReadError("the line is cut", request=httpx.Request("GET", URL))

    client = blocking(Scripted(problem(503, title="busy"), httpx.Response(200, stream=Cut())))
    with pytest.raises(prony.BusyError, match="busy"):
        next(client.live())
    windows = client.live()
    assert [next(windows)["at_unix_ms"], next(windows)["at_unix_ms"]] == [1, 2]
    with pytest.raises(prony.UnreachableError, match="the line is cut"):
        next(windows)
