//! One answer under way: from tokens to the text in its mailbox.

use domain::{Failure, FinishReason, Timestamp, Tokens, Usage};
use llama::{Context, Model, Sampler, Text, Token, greedy};

use crate::intake::Job;
use crate::mailbox::{Ending, Reply};
use crate::stop::StopFilter;

/// An answer under way.
#[derive(Debug)]
pub(crate) struct Answer {
    reply: Reply,
    /// `None` is greedy.
    sampler: Option<Sampler>,
    ignore_eos: bool,
    max_tokens: usize,
    usage: Usage,
    text: Text,
    stop: StopFilter,
    bytes: Vec<u8>,
    decoded: String,
    piece: String,
}

impl Answer {
    /// Begins the answer to `job`, `cached` tokens of whose prompt were in the cache.
    pub(crate) fn new(model: &Model, job: Job, cached: usize) -> Self {
        let greedy = job.sampling.is_greedy();
        Self {
            reply: job.reply,
            sampler: (!greedy).then(|| Sampler::new(model.library(), &job.sampling)),
            ignore_eos: job.ignore_eos,
            max_tokens: job.max_tokens,
            usage: Usage {
                input: Tokens(job.prompt.len() as u64),
                cache_read: Tokens(cached as u64),
                ..Usage::default()
            },
            text: Text::default(),
            stop: StopFilter::new(job.stop),
            bytes: Vec::new(),
            decoded: String::new(),
            piece: String::new(),
        }
    }

    /// Whether nobody waits for it any more.
    pub(crate) fn is_cancelled(&self) -> bool {
        self.reply.0.is_cancelled()
    }

    /// Draws the next token from the logits after the `index`-th token of the last batch.
    pub(crate) fn draw(&mut self, model: &Model, context: &mut Context, index: usize) -> Token {
        if self.ignore_eos {
            // An end passed over, or a mark in mid-answer, would be a token without text, and what
            // follows it rubbish: the likeliest of those that go on is taken instead.
            let logits = context.logits(index);
            for token in model.control_tokens() {
                logits[token.0.unsigned_abs() as usize] = f32::NEG_INFINITY;
            }
        }
        match &mut self.sampler {
            None => greedy(context.logits(index)),
            Some(sampler) => sampler.sample(context, index),
        }
    }

    /// Takes in a token drawn at `now`, and says why the answer ends where it does. The ending is
    /// [`Answer::end`]'s to tell, once the sequence has given its place free.
    pub(crate) fn take(
        &mut self,
        model: &Model,
        token: Token,
        now: Timestamp,
    ) -> Option<FinishReason> {
        self.usage.output += Tokens(1);
        self.piece.clear();
        let finish = self.read(model, token);
        if !self.piece.is_empty() {
            self.reply.0.push(&self.piece, now);
        }
        finish
    }

    /// Turns a token into the text that it completes.
    fn read(&mut self, model: &Model, token: Token) -> Option<FinishReason> {
        if model.is_end(token) {
            self.flush();
            return Some(FinishReason::Stop);
        }
        self.bytes.clear();
        self.decoded.clear();
        model.piece(token, &mut self.bytes);
        self.text.push(&self.bytes, &mut self.decoded);
        if self.stop.push(&self.decoded, &mut self.piece) {
            return Some(FinishReason::Stop);
        }
        if self.usage.output.count() >= self.max_tokens as u64 {
            self.flush();
            return Some(FinishReason::Length);
        }
        None
    }

    /// Ends the answer.
    pub(crate) fn end(&self, finish: FinishReason, at: Timestamp) {
        self.reply.0.end(Ok(Ending { at, finish, usage: self.usage }));
    }

    /// Fails the answer.
    pub(crate) fn fail(&self, failure: Failure) {
        self.reply.0.end(Err(failure));
    }

    /// Gives out what was held back: bytes of a character never finished, text that might have
    /// become a stop text.
    fn flush(&mut self) {
        self.decoded.clear();
        self.text.finish(&mut self.decoded);
        if !self.stop.push(&self.decoded, &mut self.piece) {
            self.stop.finish(&mut self.piece);
        }
    }
}
