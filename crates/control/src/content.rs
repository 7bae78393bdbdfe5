//! Reads what was said in a request, as it is kept.

use domain::{Message, Prompt};
use load::Transcript;
use store::Content;
use store::content::{Called, Said, TEXT_BYTES_MAX};

/// What a transcript says, each side of it cut where it is too long.
pub(crate) fn read(transcript: &Transcript) -> Content {
    let mut cutter = Cutter { room: TEXT_BYTES_MAX, is_cut: transcript.is_cut };
    let prompt = prompt(&transcript.prompt, &mut cutter);
    cutter.room = TEXT_BYTES_MAX;
    let answer = transcript.answer();
    let calls = answer.tool_calls.into_iter();
    Content {
        id: transcript.id,
        prompt,
        answer: cutter.cut(answer.content),
        reasoning: cutter.cut(answer.reasoning),
        tool_calls: calls
            .map(|call| Called { name: call.name, arguments: call.arguments })
            .collect(),
        is_cut: cutter.is_cut,
    }
}

fn prompt(prompt: &Prompt, cutter: &mut Cutter) -> Vec<Said> {
    match prompt {
        Prompt::Text(text) => vec![Said { role: None, content: cutter.cut(text.to_string()) }],
        Prompt::Messages(messages) => {
            let said = |message: &Message| Said {
                role: Some(message.role().as_str().to_owned()),
                content: cutter.cut(message.text().into_owned()),
            };
            messages.iter().map(said).collect()
        }
    }
}

/// Cuts texts so that together they have no more bytes than there is room.
struct Cutter {
    room: usize,
    is_cut: bool,
}

impl Cutter {
    fn cut(&mut self, mut text: String) -> String {
        if text.len() > self.room {
            text.truncate(text.floor_char_boundary(self.room));
            self.is_cut = true;
        }
        self.room -= text.len();
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_prompt_is_cut_between_two_letters() {
        let mut cutter = Cutter { room: 5, is_cut: false };
        let user = |text: &str| Message::User(text.into());
        let said =
            prompt(&Prompt::Messages([user("aé"), user("éé"), user("b")].into()), &mut cutter);
        let texts: Vec<&str> = said.iter().map(|said| &*said.content).collect();
        assert_eq!((texts, cutter.is_cut), (vec!["aé", "é", ""], true));
    }
}
