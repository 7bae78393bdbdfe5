"""Holds a server of models to what the official OpenAI and Anthropic packages expect of it.

    official_packages.py URL MODEL [options]

Works against any server that answers for MODEL. Each option names something more that the server
has, or can do, and has that tested too; see --help.
"""

import argparse
import asyncio
import json
import sys
import time
import unittest
import urllib.request

import anthropic
import openai


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("url")
    parser.add_argument("model")
    parser.add_argument("--key", help="the one key that the server takes")
    parser.add_argument(
        "--front",
        action="store_true",
        help="it is Prony's own front: it tells of each model, names them where one is unknown, "
        "and sends a request's id back",
    )
    parser.add_argument("--context", type=int, help="tokens of MODEL's context, told in the list")
    parser.add_argument("--stops", action="store_true", help="MODEL ends at a stop sequence")
    parser.add_argument(
        "--failing",
        metavar="MODEL",
        help="it reports an overload: at once, or in a stream after the first tokens",
    )
    parser.add_argument(
        "--limited", metavar="MODEL", help="it refuses each first of two requests for 5 ms"
    )
    parser.add_argument(
        "--thinking",
        metavar="MODEL",
        help="it thinks 'hmm', says 'Hello', and calls f(a=1) and g()",
    )
    parser.add_argument(
        "--endless",
        metavar="MODEL",
        help="it still writes, if asked for much, when a client leaves",
    )
    parser.add_argument("--running", metavar="METRIC", help="in /metrics, the requests under way")
    return parser.parse_args()


ARGS = arguments()
URL, MODEL = ARGS.url, ARGS.model

MESSAGES = [{"role": "user", "content": "Name a colour, then a number."}]
LIMIT = 8
# What a client asks for that will not stay for all of it.
ENDLESS = {"model": ARGS.endless, "max_tokens": 400, "stream": True}
ENDLESS_BODY = {"ignore_eos": True}

has = unittest.skipUnless


def running():
    """How many requests the server has under way."""
    with urllib.request.urlopen(f"{URL}/metrics") as answer:
        for line in answer.read().decode().splitlines():
            name, _, value = line.partition(" ")
            if name == ARGS.running:
                return int(value)
    raise AssertionError(f"no {ARGS.running} in /metrics")


def wait_until_idle():
    deadline = time.monotonic() + 30
    while running() > 0:
        if time.monotonic() > deadline:
            raise AssertionError("a request is still under way though its client has left")


def middle(text):
    """A stop sequence found in `text`, and what stands before it."""
    at = len(text) // 2
    stop = text[at : at + 3]
    return stop, text[: text.index(stop)]


class OpenAi(unittest.TestCase):
    def setUp(self):
        self.client = openai.OpenAI(
            base_url=f"{URL}/v1", api_key=ARGS.key or "unused", max_retries=0
        )
        self.addCleanup(self.client.close)

    def chat(self, client=None, **options):
        settings = {"model": MODEL, "messages": MESSAGES, "max_tokens": LIMIT, **options}
        return (client or self.client).chat.completions.create(**settings)

    def check_usage(self, usage):
        self.assertGreater(usage.prompt_tokens, 0)
        self.assertTrue(0 < usage.completion_tokens <= LIMIT, usage)
        self.assertEqual(usage.total_tokens, usage.prompt_tokens + usage.completion_tokens)

    def test_models_are_listed(self):
        models = {model.id: model for model in self.client.models.list()}
        self.assertIn(MODEL, models)
        self.assertEqual({model.object for model in models.values()}, {"model"})
        if ARGS.context:
            self.assertEqual(models[MODEL].max_model_len, ARGS.context)

    @has(ARGS.front, "the server does not tell of one model")
    def test_one_model_is_told_of(self):
        model = self.client.models.retrieve(MODEL)
        self.assertEqual((model.id, model.object), (MODEL, "model"))
        self.assertGreater(model.created, 1_000_000_000)
        with self.assertRaises(openai.NotFoundError) as raised:
            self.client.models.retrieve("no/such model")
        self.assertEqual(raised.exception.code, "model_not_found")
        self.assertIn("no/such model", raised.exception.message)

    def test_a_whole_chat_answer(self):
        answer = self.chat()
        self.assertEqual((answer.object, answer.model), ("chat.completion", MODEL))
        self.assertIn(answer.choices[0].finish_reason, ("stop", "length"))
        self.assertEqual(answer.choices[0].message.role, "assistant")
        self.assertTrue(answer.choices[0].message.content)
        self.assertIsNone(answer.choices[0].message.tool_calls)
        self.assertTrue(answer._request_id)
        self.check_usage(answer.usage)

    def test_a_streamed_chat_answer_with_its_counts(self):
        chunks = list(self.chat(stream=True, stream_options={"include_usage": True}))
        self.assertEqual({chunk.id for chunk in chunks}, {chunks[0].id})
        self.assertEqual(chunks[0].choices[0].delta.role, "assistant")
        self.assertEqual(chunks[0].choices[0].delta.content, "")
        self.assertEqual([chunk.usage for chunk in chunks[:-1]], [None] * (len(chunks) - 1))
        self.assertEqual(chunks[-1].choices, [])
        self.check_usage(chunks[-1].usage)
        reasons = [choice.finish_reason for chunk in chunks for choice in chunk.choices]
        self.assertIn(reasons[-1], ("stop", "length"))
        self.assertEqual(set(reasons[:-1]), {None})

    def test_a_streamed_chat_answer_without_counts(self):
        chunks = list(self.chat(stream=True))
        self.assertTrue(all(chunk.usage is None for chunk in chunks))
        texts = [chunk.choices[0].delta.content for chunk in chunks]
        self.assertTrue("".join(text or "" for text in texts))

    def test_streamed_and_whole_say_and_count_the_same(self):
        greedy = {"temperature": 0, "seed": 1}
        whole = self.chat(**greedy)
        counted = {"stream": True, "stream_options": {"include_usage": True}}
        *chunks, last = self.chat(**counted, **greedy)
        texts = [chunk.choices[0].delta.content or "" for chunk in chunks]
        self.assertEqual("".join(texts), whole.choices[0].message.content)
        self.assertEqual(chunks[-1].choices[0].finish_reason, whole.choices[0].finish_reason)
        self.assertEqual(last.usage.completion_tokens, whole.usage.completion_tokens)
        self.assertEqual(last.usage.prompt_tokens, whole.usage.prompt_tokens)

    def test_completions_whole_and_streamed(self):
        settings = {"model": MODEL, "prompt": "One, two,", "max_tokens": LIMIT, "temperature": 0}
        whole = self.client.completions.create(**settings)
        self.assertEqual(whole.object, "text_completion")
        self.check_usage(whole.usage)
        chunks = list(self.client.completions.create(stream=True, **settings))
        self.assertEqual("".join(c.choices[0].text for c in chunks), whole.choices[0].text)
        self.assertIn(chunks[-1].choices[0].finish_reason, ("stop", "length"))
        self.assertTrue(all(chunk.usage is None for chunk in chunks))
        counted = list(
            self.client.completions.create(
                stream=True, stream_options={"include_usage": True}, **settings
            )
        )
        self.assertEqual(counted[-1].choices, [])
        self.check_usage(counted[-1].usage)

    @has(ARGS.stops, "the model ends at no stop sequence")
    def test_a_stop_sequence_ends_the_answer_and_is_not_part_of_it(self):
        whole = self.chat(temperature=0).choices[0].message.content
        stop, before = middle(whole)
        for stops in (stop, ["never said", stop]):
            choice = self.chat(temperature=0, stop=stops).choices[0]
            self.assertEqual((choice.message.content, choice.finish_reason), (before, "stop"))
            chunks = list(self.chat(temperature=0, stop=stops, stream=True))
            texts = [chunk.choices[0].delta.content or "" for chunk in chunks]
            self.assertEqual("".join(texts), before)
            self.assertEqual(chunks[-1].choices[0].finish_reason, "stop")

    @has(ARGS.thinking, "no model thinks and calls tools")
    def test_thought_and_tool_calls_come_whole(self):
        choice = self.chat(model=ARGS.thinking).choices[0]
        self.assertEqual(choice.finish_reason, "tool_calls")
        self.assertEqual(choice.message.content, "Hello")
        self.assertEqual(choice.message.reasoning_content, "hmm")
        calls = choice.message.tool_calls
        self.assertEqual([call.type for call in calls], ["function", "function"])
        self.check_calls([(call.id, call.function.name, call.function.arguments) for call in calls])

    @has(ARGS.thinking, "no model thinks and calls tools")
    def test_thought_and_tool_calls_are_streamed(self):
        thought, said, calls = "", "", {}
        for chunk in self.chat(model=ARGS.thinking, stream=True):
            delta = chunk.choices[0].delta
            thought += getattr(delta, "reasoning_content", None) or ""
            said += delta.content or ""
            for call in delta.tool_calls or []:
                if call.id:
                    calls[call.index] = [call.id, call.function.name, ""]
                calls[call.index][2] += call.function.arguments
        self.assertEqual((thought, said), ("hmm", "Hello"))
        self.assertEqual(list(calls), [0, 1])
        self.check_calls(calls.values())
        with self.client.chat.completions.stream(
            model=ARGS.thinking, messages=MESSAGES
        ) as stream:
            calls = stream.get_final_completion().choices[0].message.tool_calls
        self.check_calls([(call.id, call.function.name, call.function.arguments) for call in calls])

    def check_calls(self, calls):
        ids, names, inputs = zip(*calls)
        self.assertEqual(len(set(ids)), 2)
        self.assertEqual(names, ("f", "g"))
        self.assertEqual([json.loads(text) for text in inputs], [{"a": 1}, {}])

    def test_a_stream_left_early_does_not_disturb_the_next(self):
        with self.chat(stream=True) as stream:
            next(iter(stream))
        self.assertTrue(self.chat().choices)

    @has(ARGS.endless and ARGS.running, "no model writes without end")
    def test_a_stream_left_early_frees_its_place(self):
        wait_until_idle()
        with self.chat(**ENDLESS, extra_body=ENDLESS_BODY) as stream:
            chunks = iter(stream)
            while not next(chunks).choices[0].delta.content:
                pass
            self.assertEqual(running(), 1)
        wait_until_idle()

    def test_an_unknown_model_is_not_found(self):
        with self.assertRaises(openai.NotFoundError) as raised:
            self.chat(model="no-such-model")
        self.assertEqual(raised.exception.code, "model_not_found")
        if ARGS.front:
            self.assertIn(MODEL, raised.exception.message)

    def test_a_bad_request_names_the_member(self):
        with self.assertRaises(openai.BadRequestError) as raised:
            self.chat(temperature="hot")
        self.assertIn("temperature", raised.exception.message)
        if ARGS.front:
            self.assertEqual(raised.exception.param, "temperature")
        self.assertEqual(raised.exception.type, "invalid_request_error")
        with self.assertRaises(openai.BadRequestError) as raised:
            self.client.completions.create(model=MODEL, prompt="a", max_tokens=0)
        self.assertIn("max_tokens", raised.exception.message)

    @has(ARGS.key, "the server takes any key")
    def test_a_wrong_key_is_refused(self):
        stranger = self.client.with_options(api_key="sk-wrong")
        for stream in (False, True):
            with self.assertRaises(openai.AuthenticationError) as raised:
                self.chat(stranger, stream=stream)
            self.assertEqual(raised.exception.code, "invalid_api_key")
            self.assertNotIn("sk-wrong", str(raised.exception))

    @has(ARGS.front, "ids are not sent back")
    def test_the_request_id_is_echoed(self):
        answer = self.chat(extra_headers={"x-request-id": "mine-1"})
        self.assertEqual(answer._request_id, "mine-1")

    @has(ARGS.failing, "no model fails")
    def test_failures_are_raised(self):
        with self.assertRaises(openai.InternalServerError) as raised:
            self.chat(model=ARGS.failing)
        self.assertEqual(raised.exception.status_code, 503)
        with self.assertRaises(openai.APIError) as raised:
            list(self.chat(model=ARGS.failing, stream=True))
        self.assertNotIsInstance(raised.exception, openai.APIStatusError)

    @has(ARGS.limited, "no model has a limit")
    def test_a_limit_is_raised_and_its_wait_kept(self):
        with self.assertRaises(openai.RateLimitError) as raised:
            self.chat(model=ARGS.limited)
        self.assertEqual(raised.exception.code, "rate_limit_exceeded")
        self.assertEqual(raised.exception.response.headers["retry-after-ms"], "5")
        self.assertTrue(self.chat(model=ARGS.limited).choices)
        # The package tries again by itself, after the wait it was told.
        patient = self.client.with_options(max_retries=1)
        self.assertTrue(self.chat(patient, model=ARGS.limited).choices)
        self.assertTrue(list(self.chat(patient, model=ARGS.limited, stream=True)))


class Anthropic(unittest.TestCase):
    def setUp(self):
        self.client = anthropic.Anthropic(
            base_url=URL, api_key=ARGS.key or "unused", max_retries=0
        )
        self.addCleanup(self.client.close)

    def create(self, client=None, **options):
        settings = {"model": MODEL, "messages": MESSAGES, "max_tokens": LIMIT, **options}
        return (client or self.client).messages.create(**settings)

    def test_models_are_listed(self):
        models = {model.id: model for model in self.client.models.list()}
        self.assertIn(MODEL, models)
        self.assertEqual((models[MODEL].type, models[MODEL].display_name), ("model", MODEL))
        self.assertGreater(models[MODEL].created_at.year, 2000)
        self.assertEqual(models[MODEL].max_input_tokens, ARGS.context)

    @has(ARGS.front, "the server does not tell of one model")
    def test_one_model_is_told_of(self):
        model = self.client.models.retrieve(MODEL)
        self.assertEqual((model.id, model.type), (MODEL, "model"))
        with self.assertRaises(anthropic.NotFoundError) as raised:
            self.client.models.retrieve("no/such model")
        self.assertEqual(raised.exception.body["error"]["type"], "not_found_error")

    def test_a_whole_answer(self):
        answer = self.create(system="Be brief.")
        self.assertEqual((answer.type, answer.role, answer.model), ("message", "assistant", MODEL))
        self.assertIn(answer.stop_reason, ("end_turn", "max_tokens"))
        self.assertTrue(answer.content[0].text)
        self.assertGreater(answer.usage.input_tokens, 0)
        self.assertTrue(0 < answer.usage.output_tokens <= LIMIT, answer.usage)
        self.assertTrue(answer._request_id)

    def test_a_streamed_answer(self):
        kinds = [event.type for event in self.create(stream=True)]
        self.assertEqual(kinds[:2], ["message_start", "content_block_start"])
        self.assertEqual(kinds[-3:], ["content_block_stop", "message_delta", "message_stop"])
        self.assertEqual(set(kinds[2:-3]), {"content_block_delta"})

    def test_streamed_and_whole_say_and_count_the_same(self):
        # The package takes no seed, so what is drawn must not depend on one.
        greedy = {"extra_body": {"temperature": 0}}
        whole = self.create(**greedy)
        with self.client.messages.stream(
            model=MODEL, messages=MESSAGES, max_tokens=LIMIT, **greedy
        ) as stream:
            text = "".join(stream.text_stream)
            final = stream.get_final_message()
        self.assertEqual(text, whole.content[0].text)
        self.assertEqual(final.content[0].text, text)
        self.assertEqual(final.stop_reason, whole.stop_reason)
        self.assertEqual(final.usage.output_tokens, whole.usage.output_tokens)
        self.assertEqual(total_input(final.usage), total_input(whole.usage))

    @has(ARGS.stops, "the model ends at no stop sequence")
    def test_a_stop_sequence_ends_the_answer_and_is_not_part_of_it(self):
        greedy = {"extra_body": {"temperature": 0}}
        whole = self.create(**greedy).content[0].text
        stop, before = middle(whole)
        answer = self.create(stop_sequences=["never said", stop], **greedy)
        self.assertEqual(answer.content[0].text, before)
        self.assertIn(answer.stop_reason, ("end_turn", "stop_sequence"))
        with self.client.messages.stream(
            model=MODEL, messages=MESSAGES, max_tokens=LIMIT, stop_sequences=[stop], **greedy
        ) as stream:
            self.assertEqual(stream.get_final_text(), before)

    @has(ARGS.thinking, "no model thinks and calls tools")
    def test_thought_and_tool_calls_come_whole_and_streamed(self):
        whole = self.create(model=ARGS.thinking)
        with self.client.messages.stream(
            model=ARGS.thinking, messages=MESSAGES, max_tokens=LIMIT
        ) as stream:
            final = stream.get_final_message()
        for message in (whole, final):
            self.assertEqual(message.stop_reason, "tool_use")
            kinds = [block.type for block in message.content]
            self.assertEqual(kinds, ["thinking", "text", "tool_use", "tool_use"])
            thought, said, *calls = message.content
            self.assertEqual((thought.thinking, said.text), ("hmm", "Hello"))
            self.assertEqual([call.name for call in calls], ["f", "g"])
            self.assertEqual([call.input for call in calls], [{"a": 1}, {}])
            self.assertEqual(len({call.id for call in calls}), 2)

    @has(ARGS.endless and ARGS.running, "no model writes without end")
    def test_a_stream_left_early_frees_its_place(self):
        wait_until_idle()
        with self.create(**ENDLESS, extra_body=ENDLESS_BODY) as stream:
            events = iter(stream)
            while next(events).type != "content_block_delta":
                pass
            self.assertEqual(running(), 1)
        wait_until_idle()

    def test_an_unknown_model_is_not_found(self):
        with self.assertRaises(anthropic.NotFoundError) as raised:
            self.create(model="no-such-model")
        self.assertEqual(raised.exception.body["error"]["type"], "not_found_error")
        if ARGS.front:
            self.assertIn(MODEL, str(raised.exception))

    def test_a_bad_request_names_the_member(self):
        with self.assertRaises(anthropic.BadRequestError) as raised:
            self.create(extra_body={"top_p": 2})
        self.assertIn("top_p", str(raised.exception))
        if ARGS.front:
            self.assertEqual(raised.exception.body["request_id"], raised.exception.request_id)
        self.assertEqual(raised.exception.body["error"]["type"], "invalid_request_error")

    @has(ARGS.key, "the server takes any key")
    def test_a_wrong_key_is_refused(self):
        stranger = self.client.with_options(api_key="sk-wrong")
        for stream in (False, True):
            with self.assertRaises(anthropic.AuthenticationError) as raised:
                self.create(stranger, stream=stream)
            self.assertEqual(raised.exception.body["error"]["type"], "authentication_error")
            self.assertNotIn("sk-wrong", str(raised.exception))

    @has(ARGS.failing, "no model fails")
    def test_failures_are_raised(self):
        with self.assertRaises(anthropic.APIStatusError) as raised:
            self.create(model=ARGS.failing)
        self.assertEqual(raised.exception.status_code, 529)
        self.assertEqual(raised.exception.body["error"]["type"], "overloaded_error")
        with self.assertRaises(anthropic.APIError) as raised:
            list(self.create(model=ARGS.failing, stream=True))
        self.assertEqual(raised.exception.body["error"]["type"], "overloaded_error")

    @has(ARGS.limited, "no model has a limit")
    def test_a_limit_is_raised_and_its_wait_kept(self):
        with self.assertRaises(anthropic.RateLimitError) as raised:
            self.create(model=ARGS.limited)
        self.assertEqual(raised.exception.body["error"]["type"], "rate_limit_error")
        self.assertEqual(raised.exception.response.headers["retry-after-ms"], "5")
        self.assertTrue(self.create(model=ARGS.limited).content)
        patient = self.client.with_options(max_retries=1)
        self.assertTrue(self.create(patient, model=ARGS.limited).content)


def total_input(usage):
    return usage.input_tokens + usage.cache_creation_input_tokens + usage.cache_read_input_tokens


class Concurrently(unittest.IsolatedAsyncioTestCase):
    """The packages' asynchronous clients, several requests at once on one client."""

    async def test_openai(self):
        key = ARGS.key or "unused"
        async with openai.AsyncOpenAI(base_url=f"{URL}/v1", api_key=key, max_retries=0) as client:

            async def whole():
                answer = await client.chat.completions.create(
                    model=MODEL, messages=MESSAGES, max_tokens=LIMIT
                )
                return answer.choices[0].message.content

            async def streamed():
                stream = await client.chat.completions.create(
                    model=MODEL, messages=MESSAGES, max_tokens=LIMIT, stream=True
                )
                return "".join([chunk.choices[0].delta.content or "" async for chunk in stream])

            texts = await asyncio.gather(whole(), *(streamed() for _ in range(5)), whole())
            self.assertTrue(all(texts), texts)
            self.assertIn(MODEL, [model.id async for model in client.models.list()])
            with self.assertRaises(openai.NotFoundError):
                await client.chat.completions.create(model="no-such-model", messages=MESSAGES)

    async def test_anthropic(self):
        key = ARGS.key or "unused"
        async with anthropic.AsyncAnthropic(base_url=URL, api_key=key, max_retries=0) as client:
            settings = {"model": MODEL, "messages": MESSAGES, "max_tokens": LIMIT}

            async def whole():
                return (await client.messages.create(**settings)).content[0].text

            async def streamed():
                async with client.messages.stream(**settings) as stream:
                    return await stream.get_final_text()

            texts = await asyncio.gather(whole(), *(streamed() for _ in range(5)), whole())
            self.assertTrue(all(texts), texts)
            self.assertIn(MODEL, [model.id async for model in client.models.list()])
            with self.assertRaises(anthropic.NotFoundError):
                await client.messages.create(**{**settings, "model": "no-such-model"})

    @has(ARGS.endless and ARGS.running, "no model writes without end")
    async def test_a_task_that_is_cancelled_frees_its_place(self):
        await asyncio.to_thread(wait_until_idle)
        async with openai.AsyncOpenAI(base_url=f"{URL}/v1", api_key="unused") as client:
            begun = asyncio.Event()

            async def read():
                stream = await client.chat.completions.create(
                    messages=MESSAGES, extra_body=ENDLESS_BODY, **ENDLESS
                )
                async for chunk in stream:
                    if chunk.choices[0].delta.content:
                        begun.set()

            task = asyncio.create_task(read())
            await begun.wait()
            self.assertEqual(await asyncio.to_thread(running), 1)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await asyncio.to_thread(wait_until_idle)


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0]], verbosity=2)
