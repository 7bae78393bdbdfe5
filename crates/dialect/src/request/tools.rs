//! The tools of a request, as a client writes them.

use domain::{Tool, ToolChoice, Tools};

use super::{Body, EncodeError};
use crate::json;

/// In OpenAI form.
pub(super) fn openai(tools: &Tools, body: &mut Body<'_>) -> Result<(), EncodeError> {
    check(tools)?;
    offer(tools, body, |tool, out| {
        out.extend_from_slice(br#"{"type":"function","function":"#);
        described(tool, "parameters", tool.parameters.as_deref(), out);
        out.push(b'}');
    });
    let word = match &tools.choice {
        ToolChoice::Auto => None,
        ToolChoice::None => Some(&br#""none""#[..]),
        ToolChoice::Required => Some(&br#""required""#[..]),
        ToolChoice::Named(name) => {
            body.member("tool_choice", |out| {
                out.extend_from_slice(br#"{"type":"function","function":{"name":"#);
                json::string(name, out);
                out.extend_from_slice(b"}}");
            });
            None
        }
    };
    if let Some(word) = word {
        body.member("tool_choice", |out| out.extend_from_slice(word));
    }
    body.optional("parallel_tool_calls", tools.parallel);
    Ok(())
}

/// In Anthropic form, which demands a schema even of a tool that takes nothing.
pub(super) fn anthropic(tools: &Tools, body: &mut Body<'_>) -> Result<(), EncodeError> {
    const NO_INPUT: &str = r#"{"type":"object"}"#;
    check(tools)?;
    offer(tools, body, |tool, out| {
        let schema = tool.parameters.as_deref().unwrap_or(NO_INPUT);
        described(tool, "input_schema", Some(schema), out);
    });
    let (kind, name, parallel) = match (&tools.choice, tools.parallel) {
        (ToolChoice::Auto, None) => return Ok(()),
        (ToolChoice::Auto, parallel) => ("auto", None, parallel),
        // Where none is called, it makes no difference and has no field.
        (ToolChoice::None, _) => ("none", None, None),
        (ToolChoice::Required, parallel) => ("any", None, parallel),
        (ToolChoice::Named(name), parallel) => ("tool", Some(name), parallel),
    };
    body.member("tool_choice", |out| {
        json::raw(format_args!(r#"{{"type":"{kind}""#), out);
        if let Some(name) = name {
            out.extend_from_slice(br#","name":"#);
            json::string(name, out);
        }
        if let Some(parallel) = parallel {
            json::raw(format_args!(r#","disable_parallel_tool_use":{}"#, !parallel), out);
        }
        out.push(b'}');
    });
    Ok(())
}

/// Schemas are written as they stand, so each must be a JSON object.
fn check(tools: &Tools) -> Result<(), EncodeError> {
    let is_sound = |tool: &Tool| {
        tool.parameters.as_deref().is_none_or(|schema| json::as_object(schema).is_some())
    };
    if tools.offered.iter().all(is_sound) { Ok(()) } else { Err(EncodeError::Schema) }
}

fn offer(tools: &Tools, body: &mut Body<'_>, write: impl Fn(&Tool, &mut Vec<u8>)) {
    body.member("tools", |out| {
        let mut items = json::Items::default();
        for tool in &*tools.offered {
            items.next(out);
            write(tool, out);
        }
        items.end(out);
    });
}

fn described(tool: &Tool, schema_name: &str, schema: Option<&str>, out: &mut Vec<u8>) {
    out.extend_from_slice(br#"{"name":"#);
    json::string(&tool.name, out);
    if let Some(description) = &tool.description {
        out.extend_from_slice(br#","description":"#);
        json::string(description, out);
    }
    if let Some(schema) = schema {
        json::raw(format_args!(r#","{schema_name}":{schema}"#), out);
    }
    if let Some(strict) = tool.strict {
        json::raw(format_args!(r#","strict":{strict}"#), out);
    }
    out.push(b'}');
}
