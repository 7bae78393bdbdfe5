//! Answers in OpenAI form, chat and completions, streamed and whole. The two forms share this
//! reader: a choice carries a `delta`, a `message` or a `text`.

use domain::{ChunkKind, Failure, FinishReason};
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::answer::Whole;
use crate::event::{self, Content, Facts, Text, filled, give};
use crate::failure;
use crate::part::Part;
use crate::usage::{OpenAiUsage, Report};

#[derive(Debug, Default, Deserialize)]
#[serde(default, bound = "'de: 'a")]
struct Body<'a> {
    /// `"error"` in the flat error form of older vLLM and SGLang.
    object: Option<Text<'a>>,
    /// May be empty, at the start (Azure) and at the end (usage).
    choices: Option<Vec<Choice<'a>>>,
    usage: Option<OpenAiUsage>,
    x_groq: Option<Groq>,
    error: Option<IgnoredAny>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Groq {
    usage: Option<OpenAiUsage>,
    error: Option<IgnoredAny>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, bound = "'de: 'a")]
struct Choice<'a> {
    delta: Option<Message<'a>>,
    message: Option<Message<'a>>,
    text: Option<Text<'a>>,
    finish_reason: Option<Text<'a>>,
    /// Moonshot's place for the counts.
    usage: Option<OpenAiUsage>,
    /// OpenRouter's place for what went wrong at the provider behind it.
    error: Option<IgnoredAny>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, bound = "'de: 'a")]
struct Message<'a> {
    content: Option<Content<'a>>,
    /// Newer vLLM, Ollama, Groq, OpenRouter.
    reasoning: Option<Text<'a>>,
    /// DeepSeek, older vLLM, SGLang, llama.cpp.
    reasoning_content: Option<Text<'a>>,
    refusal: Option<Text<'a>>,
    tool_calls: Option<Vec<ToolCall<'a>>>,
    function_call: Option<Function<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, bound = "'de: 'a")]
struct ToolCall<'a> {
    /// Mistral leaves it out, and sends each call whole.
    index: Option<u32>,
    id: Option<Text<'a>>,
    function: Option<Function<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, bound = "'de: 'a")]
struct Function<'a> {
    name: Option<Text<'a>>,
    arguments: Option<Text<'a>>,
}

/// What one event of a stream says.
pub(crate) fn facts(data: &[u8]) -> Result<Facts, Failure> {
    let body: Body<'_> = event::object(data)?;
    if body.reports_error() {
        return Ok(Facts { error: Some(failure::in_stream(data)), ..Facts::none() });
    }
    Ok(Facts {
        kind: body.kind(),
        finish: body.finish(),
        usage: body.into_usage().map(Report::OpenAi),
        error: None,
        last: false,
    })
}

/// Hands the parts of one event to `on`.
pub(crate) fn parts(data: &[u8], on: &mut dyn FnMut(Part<'_>)) -> Result<(), Failure> {
    let body: Body<'_> = event::object(data)?;
    body.parts(on);
    Ok(())
}

/// Reads an answer that was not streamed.
pub(crate) fn whole(data: &[u8]) -> Result<Whole, Failure> {
    let body: Body<'_> = event::object(data)?;
    if body.reports_error() {
        return Err(failure::in_stream(data));
    }
    if body.choices.as_ref().is_none_or(Vec::is_empty) {
        return Err(event::malformed("the answer has no choices"));
    }
    Ok(Whole {
        kind: body.kind(),
        finish: body.finish().unwrap_or(FinishReason::Other),
        usage: body.into_usage().map(|usage| usage.normalized()),
    })
}

impl Body<'_> {
    fn choices(&self) -> &[Choice<'_>] {
        self.choices.as_deref().unwrap_or_default()
    }

    fn reports_error(&self) -> bool {
        self.error.is_some()
            || self.object.as_ref().is_some_and(|object| object.0 == "error")
            || self.x_groq.as_ref().is_some_and(|groq| groq.error.is_some())
            || self.choices().iter().any(|choice| choice.error.is_some())
    }

    fn kind(&self) -> ChunkKind {
        let mut seen = (false, false, false);
        for choice in self.choices() {
            seen.0 |= filled(choice.text.as_ref());
            for message in choice.delta.iter().chain(&choice.message) {
                let (content, thinking) =
                    message.content.as_ref().map_or((false, false), Content::fills);
                seen.0 |= content || filled(message.refusal.as_ref());
                seen.1 |= thinking || filled(message.any_reasoning());
                seen.2 |= message.functions().any(Function::fills);
            }
        }
        event::kind(seen.0, seen.1, seen.2)
    }

    fn finish(&self) -> Option<FinishReason> {
        let mut reasons = self.choices().iter().filter_map(|choice| choice.finish_reason.as_ref());
        // Some servers write an empty reason where they have none yet.
        reasons.find(|reason| !reason.0.is_empty()).map(finish_reason)
    }

    fn into_usage(self) -> Option<OpenAiUsage> {
        self.usage
            .or_else(|| self.choices?.into_iter().find_map(|choice| choice.usage))
            .or_else(|| self.x_groq?.usage)
    }

    fn parts(&self, on: &mut dyn FnMut(Part<'_>)) {
        for choice in self.choices() {
            give(choice.text.as_ref(), Part::Content, on);
            for message in choice.delta.iter().chain(&choice.message) {
                message.parts(on);
            }
        }
    }
}

impl<'a> Message<'a> {
    /// Its reasoning; servers that give both names give one text twice.
    fn any_reasoning(&self) -> Option<&Text<'a>> {
        if filled(self.reasoning.as_ref()) {
            self.reasoning.as_ref()
        } else {
            self.reasoning_content.as_ref()
        }
    }

    fn functions(&self) -> impl Iterator<Item = &Function<'a>> {
        let calls = self.tool_calls.as_deref().unwrap_or_default();
        calls.iter().filter_map(|call| call.function.as_ref()).chain(&self.function_call)
    }

    fn parts(&self, on: &mut dyn FnMut(Part<'_>)) {
        give(self.any_reasoning(), Part::Reasoning, on);
        if let Some(content) = &self.content {
            content.parts(on);
        }
        give(self.refusal.as_ref(), Part::Content, on);
        for (place, call) in (0..).zip(self.tool_calls.as_deref().unwrap_or_default()) {
            if let Some(function) = &call.function {
                function.parts(call.index.unwrap_or(place), call.id.as_ref(), on);
            }
        }
        if let Some(function) = &self.function_call {
            function.parts(0, None, on);
        }
    }
}

impl Function<'_> {
    fn fills(&self) -> bool {
        filled(self.name.as_ref()) || filled(self.arguments.as_ref())
    }

    /// A name begins a call, and only there.
    fn parts(&self, index: u32, id: Option<&Text<'_>>, on: &mut dyn FnMut(Part<'_>)) {
        let id = id.map_or("", |id| &*id.0);
        give(self.name.as_ref(), |name| Part::ToolCall { index, id, name }, on);
        give(self.arguments.as_ref(), |text| Part::Arguments { index, text }, on);
    }
}

/// Reads the reasons of every compatible server. A reason nobody has heard of is a server's own.
fn finish_reason(reason: &Text<'_>) -> FinishReason {
    match &*reason.0 {
        "stop" | "eos" | "eos_token" | "stop_sequence" => FinishReason::Stop,
        "length" | "model_length" => FinishReason::Length,
        "tool_calls" | "function_call" => FinishReason::ToolCalls,
        "content_filter" => FinishReason::ContentFilter,
        _ => FinishReason::Other,
    }
}
