//! Answers against bare llama.cpp: what the engine says is what the model says, alone and in a full
//! batch.

use std::sync::Arc;

use domain::{FinishReason, Tokens};
use engine::EngineConfig;
use llama::{
    Batch, Context, ContextOptions, FileType, FlashAttention, KvType, Model, ModelOptions,
    SequenceId, Token, greedy,
};

use crate::{PROMPTS, config, real_model, request, send, send_all, start};

/// What attention and its cache round to.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Rounding {
    /// 16 bits, as the engine does by default.
    Usual,
    /// 32 bits, as everything else is computed.
    None,
}

fn context(model: &Model, sequences: u32, rounding: Rounding) -> Context {
    let (flash_attention, cache) = match rounding {
        Rounding::Usual => (FlashAttention::Auto, KvType::F16),
        Rounding::None => (FlashAttention::Off, KvType::F32),
    };
    let options = ContextOptions {
        context: 2_048,
        batch: 512,
        micro_batch: 512,
        sequences,
        threads: 1,
        threads_batch: 1,
        unified: true,
        flash_attention,
        keys: cache,
        values: cache,
    };
    Context::new(model, options).expect("memory suffices")
}

/// One bare greedy run: llama.cpp, and nothing of the engine.
pub(crate) struct Alone {
    prompt: Vec<Token>,
    tokens: Vec<Token>,
    logits: Vec<Vec<f32>>,
}

impl Alone {
    pub(crate) fn run(model: &Model, prompt: &str, length: usize, rounding: Rounding) -> Self {
        let mut context = context(model, 1, rounding);
        let prompt = model.tokenize(prompt, true);
        let (mut tokens, mut logits) = (Vec::new(), Vec::new());
        let mut batch = Batch::default();
        let mut next = prompt.clone();
        let mut position = 0;
        while tokens.len() < length {
            batch.clear();
            for (index, &token) in next.iter().enumerate() {
                batch.push(token, position, SequenceId(0), index + 1 == next.len());
                position += 1;
            }
            context.decode(&mut batch).expect("there is room");
            let row = context.logits(batch.len() - 1).to_vec();
            let token = greedy(&row);
            logits.push(row);
            tokens.push(token);
            if model.is_end(token) {
                break;
            }
            next = vec![token];
        }
        Self { prompt, tokens, logits }
    }

    fn pieces(&self, model: &Model) -> Vec<Vec<u8>> {
        let piece = |&token: &Token| {
            let mut bytes = Vec::new();
            model.piece(token, &mut bytes);
            bytes
        };
        self.tokens.iter().map(piece).collect()
    }

    pub(crate) fn text(&self, model: &Model) -> String {
        String::from_utf8_lossy(&self.pieces(model).concat()).into_owned()
    }

    /// The two best logits' distance at a step.
    fn gap(&self, step: usize) -> f32 {
        let mut row = self.logits[step].clone();
        row.sort_by(|a, b| b.total_cmp(a));
        row[0] - row[1]
    }
}

/// By how much a logit may differ between a sequence computed alone and one computed in a batch of
/// others, where nothing is rounded to fewer than 32 bits: only the order of sums is another then.
/// Measured: 0.00004 on zen4 and haswell kernels. Logits of this model span about 80.
const LOGIT_BOUND: f32 = 0.001;

/// How far logits may lie apart (root of the mean square) in the same comparison where weights have
/// 4 bits and the cache 16. Products then round their activations to 8 bits and flash attention its
/// sums to 16, so that another order of sums comes out whole steps apart.
///
/// Measured over 256 tokens, alike on 1 and 2 threads: 0.236 on kernels for AVX-512 (Q4_0 0.239,
/// Q8_0 0.232, F16 0.009, F32 0.004), 0.233 for AVX2, 0.226 for AVX. Without flash attention and
/// with a cache of 32 bits 0.173; F32 then 0.000005. The largest single difference of 12 million is
/// chance: it lay between 1.7 and 2.5. Logits of two different prompts lie 10 apart.
const LOGIT_BOUND_MEAN: f32 = 0.3;

#[tokio::test]
async fn alone_greedy_tokens_are_llamas_own() {
    let Some(model) = real_model() else { return };
    let engine = start(&model, config());
    for prompt in PROMPTS {
        let alone = Alone::run(&model, prompt, 32, Rounding::Usual);
        let (told, result) = send(&engine, &request(prompt, 32)).await;
        let completion = result.expect("the request succeeds");
        assert_eq!(told.text, alone.text(&model), "{prompt}");
        let usage = completion.usage.expect("the engine counts tokens");
        assert_eq!(usage.input, Tokens(alone.prompt.len() as u64));
        assert_eq!(usage.output, Tokens(alone.tokens.len() as u64));
        let ended = model.is_end(*alone.tokens.last().expect("there is a token"));
        let finish = if ended { FinishReason::Stop } else { FinishReason::Length };
        assert_eq!(completion.finish, finish);
        assert!(told.sent.expect("it was sent") <= told.chunks[0]);
        assert!(told.chunks.is_sorted());
    }
}

#[tokio::test]
async fn in_a_full_batch_answers_are_what_they_are_alone() {
    let Some(small) = real_model() else { return };
    let folder = tempfile::tempdir().expect("a folder for the file");
    let file = folder.path().join("f32.gguf");
    llama::quantize(small.library(), small.path(), &file, FileType::F32, 1).expect("it is written");
    let model = Model::load(small.library(), &file, ModelOptions::default()).expect("it loads");
    let alone: Vec<Alone> =
        PROMPTS.iter().map(|prompt| Alone::run(&model, prompt, 16, Rounding::None)).collect();

    let difference = teacher_forced_difference(&model, &alone, Rounding::None);
    println!("{difference:?}");
    assert!(difference.largest < LOGIT_BOUND, "{difference:?}");

    let flash_attention = FlashAttention::Off;
    let (keys, values) = (KvType::F32, KvType::F32);
    let exact = EngineConfig { flash_attention, keys, values, ..config() };
    let engine = Arc::new(start(&model, exact));
    let answers = send_all(&engine, &PROMPTS.map(|prompt| request(prompt, 16))).await;
    for (alone, (told, _)) in alone.iter().zip(&answers) {
        let mut agreed = Vec::new();
        let differs = alone.pieces(&model).iter().position(|piece| {
            agreed.extend_from_slice(piece);
            !told.text.as_bytes().starts_with(&agreed)
        });
        if let Some(step) = differs {
            let gap = alone.gap(step);
            assert!(gap < 2.0 * LOGIT_BOUND, "differs at {step}, where the gap was {gap}");
        }
    }
    assert_eq!(engine.snapshot().completed, 8);
}

#[test]
fn in_a_full_batch_a_small_file_is_as_near_as_its_formats_round() {
    let Some(model) = real_model() else { return };
    let alone: Vec<Alone> =
        PROMPTS.iter().map(|prompt| Alone::run(&model, prompt, 32, Rounding::Usual)).collect();
    let difference = teacher_forced_difference(&model, &alone, Rounding::Usual);
    println!("{difference:?}");
    assert!(difference.mean < LOGIT_BOUND_MEAN, "{difference:?}");
}

/// By how much logits differ.
#[derive(Debug)]
struct Difference {
    largest: f32,
    /// The root of the mean square.
    mean: f32,
}

/// Feeds the tokens of the lone runs to one batch of all of them, step by step, and says by how
/// much the logits differ.
fn teacher_forced_difference(model: &Model, alone: &[Alone], rounding: Rounding) -> Difference {
    let mut context = context(model, alone.len() as u32, rounding);
    let mut batch = Batch::default();
    let mut outputs = Vec::new();
    for (index, alone) in alone.iter().enumerate() {
        let last = alone.prompt.len() - 1;
        for (position, &token) in alone.prompt.iter().enumerate() {
            let id = SequenceId(index as u32);
            let at = batch.push(token, position as u32, id, position == last);
            if position == last {
                outputs.push((index, at));
            }
        }
    }
    let (mut largest, mut squares, mut count) = (0.0_f32, 0.0_f64, 0_usize);
    for step in 0.. {
        if outputs.is_empty() {
            return Difference { largest, mean: (squares / count as f64).sqrt() as f32 };
        }
        context.decode(&mut batch).expect("there is room");
        for (index, at) in outputs.drain(..) {
            let expect = &alone[index].logits[step];
            for (got, expect) in context.logits(at).iter().zip(expect) {
                let apart = (got - expect).abs();
                largest = largest.max(apart);
                squares += f64::from(apart * apart);
            }
            count += expect.len();
        }
        batch.clear();
        for (index, alone) in alone.iter().enumerate() {
            if step + 1 < alone.tokens.len() {
                let position = (alone.prompt.len() + step) as u32;
                let id = SequenceId(index as u32);
                outputs.push((index, batch.push(alone.tokens[step], position, id, true)));
            }
        }
    }
    unreachable!("every run ends")
}
