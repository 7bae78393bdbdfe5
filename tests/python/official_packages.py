"""Holds a server of models to what the official OpenAI and Anthropic packages expect of it.

    official_packages.py URL MODEL [FAILING_MODEL]

Works against any server: MODEL must answer, FAILING_MODEL must report that it is overloaded, for
whole answers before the first token and for streamed ones after it.
"""

import sys
import unittest

import anthropic
import openai

URL, MODEL = sys.argv[1:3]
FAILING_MODEL = sys.argv[3] if len(sys.argv) > 3 else None

MESSAGES = [{"role": "user", "content": "Name a colour, then a number."}]
LIMIT = 8


class OpenAi(unittest.TestCase):
    def setUp(self):
        self.client = openai.OpenAI(base_url=f"{URL}/v1", api_key="unused", max_retries=0)
        self.addCleanup(self.client.close)

    def chat(self, **options):
        settings = {"model": MODEL, "messages": MESSAGES, "max_tokens": LIMIT, **options}
        return self.client.chat.completions.create(**settings)

    def check_usage(self, usage):
        self.assertGreater(usage.prompt_tokens, 0)
        self.assertTrue(0 < usage.completion_tokens <= LIMIT, usage)
        self.assertEqual(usage.total_tokens, usage.prompt_tokens + usage.completion_tokens)

    def test_models_are_listed(self):
        models = self.client.models.list().data
        self.assertIn(MODEL, [model.id for model in models])
        self.assertEqual({model.object for model in models}, {"model"})

    def test_a_whole_chat_answer(self):
        answer = self.chat()
        self.assertEqual((answer.object, answer.model), ("chat.completion", MODEL))
        self.assertIn(answer.choices[0].finish_reason, ("stop", "length"))
        self.assertEqual(answer.choices[0].message.role, "assistant")
        self.assertTrue(answer.choices[0].message.content)
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

    def test_streamed_and_whole_say_the_same(self):
        greedy = {"temperature": 0, "seed": 1}
        whole = self.chat(**greedy).choices[0].message.content
        with self.client.chat.completions.stream(
            model=MODEL, messages=MESSAGES, max_tokens=LIMIT, **greedy
        ) as stream:
            final = stream.get_final_completion()
        self.assertEqual(final.choices[0].message.content, whole)

    def test_completions_whole_and_streamed(self):
        settings = {"model": MODEL, "prompt": "One, two,", "max_tokens": LIMIT, "temperature": 0}
        whole = self.client.completions.create(**settings)
        self.assertEqual(whole.object, "text_completion")
        self.check_usage(whole.usage)
        chunks = list(self.client.completions.create(stream=True, **settings))
        self.assertEqual("".join(c.choices[0].text for c in chunks), whole.choices[0].text)
        self.assertIn(chunks[-1].choices[0].finish_reason, ("stop", "length"))

    def test_a_stream_left_early_does_not_disturb_the_next(self):
        with self.chat(stream=True) as stream:
            next(iter(stream))
        self.assertTrue(self.chat().choices)

    def test_an_unknown_model_is_not_found(self):
        with self.assertRaises(openai.NotFoundError) as raised:
            self.chat(model="no-such-model")
        self.assertEqual(raised.exception.code, "model_not_found")
        self.assertIn(MODEL, raised.exception.message)

    def test_a_bad_request_names_the_member(self):
        with self.assertRaises(openai.BadRequestError) as raised:
            self.chat(temperature="hot")
        self.assertIn("temperature", raised.exception.message)

    def test_the_request_id_is_echoed(self):
        answer = self.chat(extra_headers={"x-request-id": "mine-1"})
        self.assertEqual(answer._request_id, "mine-1")

    @unittest.skipUnless(FAILING_MODEL, "no failing model was named")
    def test_failures_are_raised(self):
        with self.assertRaises(openai.InternalServerError) as raised:
            self.chat(model=FAILING_MODEL)
        self.assertEqual(raised.exception.status_code, 503)
        with self.assertRaises(openai.APIError) as raised:
            list(self.chat(model=FAILING_MODEL, stream=True))
        self.assertNotIsInstance(raised.exception, openai.APIStatusError)


class Anthropic(unittest.TestCase):
    def setUp(self):
        self.client = anthropic.Anthropic(base_url=URL, api_key="unused", max_retries=0)
        self.addCleanup(self.client.close)

    def create(self, **options):
        settings = {"model": MODEL, "messages": MESSAGES, "max_tokens": LIMIT, **options}
        return self.client.messages.create(**settings)

    def test_models_are_listed(self):
        models = {model.id: model for model in self.client.models.list()}
        self.assertIn(MODEL, models)
        self.assertEqual(models[MODEL].type, "model")
        self.assertGreater(models[MODEL].created_at.year, 2000)

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

    def test_streamed_and_whole_say_the_same(self):
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

    def test_an_unknown_model_is_not_found(self):
        with self.assertRaises(anthropic.NotFoundError) as raised:
            self.create(model="no-such-model")
        self.assertEqual(raised.exception.body["error"]["type"], "not_found_error")
        self.assertIn(MODEL, str(raised.exception))

    def test_a_bad_request_names_the_member(self):
        with self.assertRaises(anthropic.BadRequestError) as raised:
            self.create(extra_body={"top_p": 2})
        self.assertIn("top_p", str(raised.exception))

    @unittest.skipUnless(FAILING_MODEL, "no failing model was named")
    def test_failures_are_raised(self):
        with self.assertRaises(anthropic.APIStatusError) as raised:
            self.create(model=FAILING_MODEL)
        self.assertEqual(raised.exception.status_code, 529)
        self.assertEqual(raised.exception.body["error"]["type"], "overloaded_error")
        with self.assertRaises(anthropic.APIError) as raised:
            list(self.create(model=FAILING_MODEL, stream=True))
        self.assertEqual(raised.exception.body["error"]["type"], "overloaded_error")


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0]], verbosity=2)
