//! The tools a request offers, and how they may be called.

use domain::{Tool, ToolChoice, Tools, WireFormat};

use super::BadRequest;
use super::object::{Object, Value};

/// What the request says about tools; `None` where it offers none.
pub(super) fn tools(format: WireFormat, body: &Object<'_>) -> Result<Option<Tools>, BadRequest> {
    let is_chat = format == WireFormat::OpenAiChat;
    if is_chat && body.objects("functions")?.is_some_and(|functions| !functions.is_empty()) {
        let problem = "is the old form of tools, which are to be sent instead";
        return Err(BadRequest::at("functions", problem));
    }
    let offered = body.objects("tools")?.unwrap_or_default();
    let read = match format {
        WireFormat::OpenAiChat => openai_tool,
        WireFormat::AnthropicMessages => anthropic_tool,
        WireFormat::OpenAiCompletions if offered.is_empty() => return Ok(None),
        WireFormat::OpenAiCompletions => {
            return Err(BadRequest::at("tools", "cannot be called here; use the chat endpoint"));
        }
    };
    let offered = offered.iter().map(read).collect::<Result<Vec<Tool>, _>>()?;
    let (choice, parallel) = match format {
        WireFormat::AnthropicMessages => anthropic_choice(body)?,
        WireFormat::OpenAiChat | WireFormat::OpenAiCompletions => {
            (openai_choice(body)?, body.flag("parallel_tool_calls")?)
        }
    };
    check(&choice, &offered)?;
    let tools = Tools { offered: offered.into(), choice, parallel };
    Ok(Some(tools).filter(|tools| !tools.offered.is_empty()))
}

/// Whether what is chosen can be.
fn check(choice: &ToolChoice, offered: &[Tool]) -> Result<(), BadRequest> {
    let is_possible = match choice {
        ToolChoice::Auto | ToolChoice::None => true,
        ToolChoice::Required => !offered.is_empty(),
        ToolChoice::Named(name) => offered.iter().any(|tool| tool.name == *name),
    };
    if is_possible { Ok(()) } else { Err(BadRequest::at("tool_choice", "must be one of 'tools'")) }
}

fn openai_tool(tool: &Object<'_>) -> Result<Tool, BadRequest> {
    if tool.required_text("type")? != "function" {
        return Err(tool.wrong("type", "must be function"));
    }
    let function = tool.object("function")?;
    let function = function.ok_or_else(|| BadRequest::missing(tool.place("function")))?;
    described(&function, "parameters")
}

fn anthropic_tool(tool: &Object<'_>) -> Result<Tool, BadRequest> {
    if !matches!(tool.text("type")?.as_deref(), None | Some("custom")) {
        return Err(tool.wrong("type", "must be custom: no tool is run here"));
    }
    if tool.raw("input_schema").is_none() {
        return Err(BadRequest::missing(tool.place("input_schema")));
    }
    described(tool, "input_schema")
}

fn described(tool: &Object<'_>, schema: &str) -> Result<Tool, BadRequest> {
    let parameters = match (tool.value(schema), tool.raw(schema)) {
        (Value::Object, Some(raw)) => Some(raw.get().into()),
        (Value::Absent, _) => None,
        _ => return Err(tool.wrong(schema, "must be an object")),
    };
    Ok(Tool {
        name: tool.required_text("name")?.into(),
        description: tool.text("description")?.map(Into::into),
        parameters,
        strict: tool.flag("strict")?,
    })
}

fn openai_choice(body: &Object<'_>) -> Result<ToolChoice, BadRequest> {
    let wrong = || BadRequest::at("tool_choice", "must be none, auto, required or a function");
    match body.value("tool_choice") {
        Value::Absent => Ok(ToolChoice::Auto),
        Value::Text(text) => match &*text {
            "auto" => Ok(ToolChoice::Auto),
            "none" => Ok(ToolChoice::None),
            "required" => Ok(ToolChoice::Required),
            _ => Err(wrong()),
        },
        Value::Object => {
            let function = match body.object("tool_choice")? {
                Some(choice) if choice.text("type")?.as_deref() == Some("function") => {
                    choice.object("function")?
                }
                Some(_) | None => None,
            };
            let function = function.ok_or_else(wrong)?;
            Ok(ToolChoice::Named(function.required_text("name")?.into()))
        }
        Value::Array(_) | Value::Other => Err(wrong()),
    }
}

/// The choice, and whether several tools may be called at once.
fn anthropic_choice(body: &Object<'_>) -> Result<(ToolChoice, Option<bool>), BadRequest> {
    let Some(given) = body.object("tool_choice")? else { return Ok((ToolChoice::Auto, None)) };
    let choice = match given.required_text("type")?.as_str() {
        "auto" => ToolChoice::Auto,
        "none" => ToolChoice::None,
        "any" => ToolChoice::Required,
        "tool" => ToolChoice::Named(given.required_text("name")?.into()),
        _ => return Err(given.wrong("type", "must be auto, none, any or tool")),
    };
    let disable = given.flag("disable_parallel_tool_use")?;
    Ok((choice, disable.map(|disable| !disable)))
}
