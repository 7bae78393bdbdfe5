//! What every workload promises, tried on each kind.

use std::collections::HashSet;

use domain::Tokenizer;
use proptest::prelude::*;
use text::{TiktokenEncoding, TiktokenTokenizer};

use super::*;

fn o200k() -> TiktokenTokenizer {
    TiktokenTokenizer::load(TiktokenEncoding::O200k)
}

fn scenario(name: &str, seed: u64) -> Workload {
    Workload::scenario(name.parse().unwrap(), Seed(seed))
}

fn text(workload: &Workload, index: u64) -> String {
    workload.draft(index).prompt.text()
}

fn texts(workload: &Workload, count: u64) -> Vec<String> {
    (0..count).map(|index| text(workload, index)).collect()
}

/// FNV-1a over the texts, each closed by a zero.
fn hash(texts: &[String]) -> u64 {
    let bytes = texts.iter().flat_map(|text| text.bytes().chain([0]));
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// How many bytes the two neighbours in sorted order that agree longest have in common.
fn longest_shared_start(texts: &[String]) -> usize {
    let mut sorted: Vec<&String> = texts.iter().collect();
    sorted.sort_unstable();
    let shared = |pair: &[&String]| {
        pair[0].bytes().zip(pair[1].bytes()).take_while(|(left, right)| left == right).count()
    };
    sorted.windows(2).map(shared).max().unwrap_or(0)
}

/// Checks that a scenario gives as many different prompts as it promises, all within bounds.
fn check_scenario(name: &str, draws: u64, tokens: std::ops::RangeInclusive<usize>) {
    let workload = scenario(name, 1);
    let texts = texts(&workload, draws);
    let distinct: HashSet<&String> = texts.iter().collect();
    assert_eq!(distinct.len() as u64, draws, "{name} repeats a prompt");
    assert_eq!(workload.repeats(draws), 0);
    let items: HashSet<u64> = (0..draws).map(|index| workload.draft(index).item).collect();
    assert_eq!(items.len() as u64, draws, "{name} gives two prompts one item");
    let tokenizer = o200k();
    for text in texts.iter().step_by(draws as usize / 250) {
        let count = tokenizer.count(text);
        assert!(tokens.contains(&count), "{count} tokens in: {text}");
        assert!(!text.contains(['{', '}']), "unexpanded: {text}");
        assert!(!text.contains("  ") || name == "code_generation", "double space in: {text}");
        assert!(text.trim() == text && !text.contains(" \n"), "stray space in: {text}");
    }
}

#[test]
fn short_queries_are_many_and_short() {
    check_scenario("short_queries", 60_000, 8..=48);
    assert_eq!(scenario("short_queries", 1).draft(0).max_tokens, Some(64));
}

#[test]
fn code_tasks_are_many() {
    check_scenario("code_generation", 30_000, 20..=260);
    assert_eq!(scenario("code_generation", 1).draft(0).max_tokens, Some(192));
}

#[test]
fn long_documents_have_their_length_and_share_no_start() {
    check_scenario("long_documents", 5_000, 900..=1_100);
    check_scenario("long_documents:3000", 250, 2_700..=3_300);
    check_scenario("long_documents:100", 250, 80..=160);
    let workload = scenario("long_documents", 3);
    assert_eq!(workload.draft(0).max_tokens, Some(128));
    let shared = longest_shared_start(&texts(&workload, 5_000));
    assert!(shared < 11, "two documents share {shared} bytes, more than part of their number");
}

/// Changing these numbers changes the prompts every user gets for a seed: do it only on purpose.
#[test]
fn prompts_are_golden() {
    let golden = [
        ("short_queries", SHORT_QUERIES),
        ("long_documents", LONG_DOCUMENTS),
        ("code_generation", CODE_GENERATION),
    ];
    for (name, expected) in golden {
        let got = hash(&texts(&scenario(name, 42), 500));
        assert_eq!(got, expected, "{name}: {got:#018x}");
        assert_ne!(got, hash(&texts(&scenario(name, 43), 500)), "{name} heeds its seed");
    }
    let synthetic = synthetic("N(64,32)[4,128]", None, 0);
    let workload = Workload::synthetic(&synthetic, &o200k(), Seed(42), 100).unwrap();
    let got = hash(&texts(&workload, 300));
    assert_eq!(got, SYNTHETIC, "synthetic: {got:#018x}");
}

const SHORT_QUERIES: u64 = 0x8559_da50_a0db_f3cf;
const LONG_DOCUMENTS: u64 = 0x5c65_8d47_d07c_2944;
const CODE_GENERATION: u64 = 0xca41_7d2b_c9f6_7de6;
const SYNTHETIC: u64 = 0xd4de_5747_8372_927b;

#[test]
fn the_order_of_asking_changes_nothing() {
    let dataset = Dataset::parse(b"{\"prompt\":\"a\"}\n{\"prompt\":\"b\"}", "ab").unwrap();
    let synthetic = synthetic("U(4,40)", Some("U(1,9)"), 7);
    let workloads = [
        scenario("short_queries", 9),
        scenario("long_documents", 9),
        scenario("code_generation", 9),
        Workload::synthetic(&synthetic, &Characters, Seed(9), 20).unwrap(),
        Workload::dataset(dataset, Some(Seed(9))),
    ];
    for workload in workloads {
        let forward: Vec<Draft> = (0..100).map(|index| workload.draft(index)).collect();
        let mut backward: Vec<Draft> = (0..100).rev().map(|index| workload.draft(index)).collect();
        backward.reverse();
        assert_eq!(forward, backward, "{}", workload.name());
    }
}

#[test]
fn warm_up_prompts_are_not_measured_ones() {
    let synthetic = synthetic("40", None, 0);
    let workloads = [
        scenario("short_queries", 2),
        scenario("long_documents", 2),
        scenario("code_generation", 2),
        Workload::synthetic(&synthetic, &o200k(), Seed(2), 50).unwrap(),
    ];
    for workload in workloads {
        let measured: HashSet<String> = texts(&workload, 2_000).into_iter().collect();
        for index in 0..200 {
            let warmup = workload.warmup_draft(index).prompt.text();
            assert!(!measured.contains(&warmup), "{}: {warmup}", workload.name());
        }
    }
}

#[test]
fn scenario_names_are_read_or_corrected() {
    for text in ["short_queries", "long_documents", "code_generation", "long_documents:2500"] {
        assert_eq!(text.parse::<Scenario>().unwrap().to_string(), text);
    }
    let known = "known are short_queries, long_documents, code_generation";
    let length =
        "gives no length of documents; write long_documents:1000, with 100 to 1,000,000 tokens";
    let cases = [
        (
            "short-queries",
            format!(
                "there is no scenario called `short-queries` (did you mean `short_queries`?); {known}"
            ),
        ),
        (
            "Long_Document",
            format!(
                "there is no scenario called `Long_Document` (did you mean `long_documents`?); {known}"
            ),
        ),
        ("codegen", format!("there is no scenario called `codegen`; {known}")),
        ("", format!("there is no scenario called ``; {known}")),
        ("long_documents:99", format!("`long_documents:99` {length}")),
        ("long_documents:many", format!("`long_documents:many` {length}")),
        (
            "short_queries:10",
            "`short_queries:10`: only long_documents takes a length; write `short_queries` alone"
                .to_owned(),
        ),
    ];
    for (text, message) in cases {
        assert_eq!(text.parse::<Scenario>().unwrap_err().to_string(), message);
    }
}

fn synthetic(input: &str, output: Option<&str>, prefix_len: u64) -> Synthetic {
    Synthetic {
        input_len: input.parse().unwrap(),
        output_len: output.map(|text| text.parse().unwrap()),
        prefix_len,
    }
}

/// A token a character.
struct Characters;

/// A token for every two characters, which no sum over words foretells.
struct Pairs;

/// Two tokens a character: no text has an odd number.
struct Halves;

fn tokens_of(text: &str, per_token: usize) -> Vec<u32> {
    let characters: Vec<char> = text.chars().collect();
    characters.chunks(per_token).map(|chunk| chunk[0] as u32).collect()
}

macro_rules! test_tokenizer {
    ($name:ident, $encode:expr) => {
        impl Tokenizer for $name {
            fn encode(&self, text: &str) -> Vec<u32> {
                $encode(text)
            }
            fn decode(&self, _: &[u32]) -> String {
                unreachable!("prompts are made without decoding")
            }
            fn vocabulary_size(&self) -> usize {
                0x11_0000
            }
            fn name(&self) -> &str {
                stringify!($name)
            }
        }
    };
}

test_tokenizer!(Characters, |text| tokens_of(text, 1));
test_tokenizer!(Pairs, |text| tokens_of(text, 2));
test_tokenizer!(Halves, |text: &str| text.chars().flat_map(|c| [c as u32, 0]).collect());

/// Checks that every prompt has the length it says, within the distribution, and returns them.
fn check_lengths(
    synthetic: &Synthetic,
    tokenizer: &dyn Tokenizer,
    pool: u64,
    requests: u64,
) -> Vec<String> {
    let workload = Workload::synthetic(synthetic, tokenizer, Seed(5), pool).unwrap();
    (0..requests)
        .map(|index| {
            let draft = workload.draft(index);
            let text = draft.prompt.text();
            if let Some(tokens) = draft.input_tokens {
                assert_eq!(tokenizer.count(&text) as u64, tokens, "request {index}: {text}");
                assert!(tokens >= synthetic.prefix_len + synthetic.input_len.shortest());
            } else {
                assert!(index >= pool, "a prompt made before the run has a known length");
            }
            text
        })
        .collect()
}

#[test]
fn synthetic_prompts_have_exact_lengths_under_any_tokenizer() {
    let cl100k = TiktokenTokenizer::load(TiktokenEncoding::Cl100k);
    let tokenizers: [&dyn Tokenizer; 4] = [&o200k(), &cl100k, &Characters, &Pairs];
    for tokenizer in tokenizers {
        for (input, prefix) in [("1", 0), ("3", 1), ("128", 0), ("U(1,200)", 16), ("N(90,40)", 33)]
        {
            check_lengths(&synthetic(input, None, prefix), tokenizer, 40, 100);
        }
    }
}

#[test]
fn synthetic_prompts_differ_from_their_first_word_on() {
    let prompts = check_lengths(&synthetic("64", None, 0), &o200k(), 50, 2_000);
    assert_eq!(prompts.iter().collect::<HashSet<_>>().len(), 2_000);
    let start = |text: &String| text.split(' ').take(4).collect::<Vec<_>>().join(" ");
    assert_eq!(prompts.iter().map(start).collect::<HashSet<_>>().len(), 2_000);
    let workload = Workload::synthetic(&synthetic("64", None, 0), &o200k(), Seed(5), 50).unwrap();
    assert_eq!(workload.repeats(1_000_000), 0);
    assert_eq!(workload.draft(777).input_tokens, Some(64), "numbered anew at the same length");
}

#[test]
fn a_shared_prefix_starts_every_prompt() {
    let prompts = check_lengths(&synthetic("20", None, 50), &o200k(), 30, 60);
    let shared = longest_shared_start(&prompts);
    let prefix = &prompts[0][..shared.min(prompts[0].len())];
    let count = o200k().count(prefix);
    assert!((50..=54).contains(&count), "{count} tokens shared");
    let start: String = prompts[0].split_inclusive(' ').take(40).collect();
    assert!(prompts.iter().all(|prompt| prompt.starts_with(&start)));
}

#[test]
fn prompts_too_short_to_differ_are_counted_as_repeats() {
    let workload = Workload::synthetic(&synthetic("1", None, 0), &o200k(), Seed(5), 3_000).unwrap();
    let mut seen = HashSet::new();
    let mut repeats = 0;
    for index in 0..5_000 {
        let draft = workload.draft(index);
        repeats += u64::from(!seen.insert(draft.prompt.text()));
        assert!(draft.item <= index);
        if index % 500 == 0 {
            assert_eq!(workload.repeats(index + 1), repeats, "after request {index}");
        }
    }
    assert!(repeats > 4_000, "{repeats} of 5,000 one-word prompts repeat");
}

#[test]
fn answers_follow_their_own_distribution() {
    let synthetic = synthetic("8", Some("U(16,32)"), 0);
    let workload = Workload::synthetic(&synthetic, &Characters, Seed(5), 10).unwrap();
    let lengths: HashSet<u64> = (0..500).filter_map(|i| workload.draft(i).max_tokens).collect();
    assert_eq!(lengths, (16..=32).collect());
}

#[test]
fn an_impossible_length_is_refused() {
    let error = Workload::synthetic(&synthetic("7", None, 0), &Halves, Seed(5), 1).unwrap_err();
    assert_eq!((error.wanted, error.nearest), (7, 6));
    assert_eq!(
        error.to_string(),
        "no prompt of exactly 7 tokens could be made under the tokenizer `Halves` in 32 tries (the \
         nearest had 6); ask for another length, or use another tokenizer"
    );
}

fn lines(count: u64) -> Dataset {
    let text: String = (0..count).map(|line| format!("{{\"prompt\": \"p{line}\"}}\n")).collect();
    Dataset::parse(text.as_bytes(), "lines.jsonl").unwrap()
}

#[test]
fn a_dataset_is_walked_in_order_and_again() {
    let workload = Workload::dataset(lines(3), None);
    assert_eq!(&*workload.name(), "lines.jsonl");
    assert_eq!(texts(&workload, 7), ["p0", "p1", "p2", "p0", "p1", "p2", "p0"]);
    assert_eq!([3, 4, 7].map(|requests| workload.repeats(requests)), [0, 1, 4]);
    assert_eq!(workload.draft(4).item, 1);
}

/// Runs that follow each other share no prompt until the workload is used up, warm-up included.
#[test]
fn a_later_run_starts_where_the_earlier_one_left_off() {
    let workloads = [Workload::dataset(lines(20), Some(Seed(3))), scenario("short_queries", 3)];
    for workload in workloads {
        let mut taken = Taken::default();
        let mut seen = HashSet::new();
        for run in [Taken { measured: 5, warmup: 1 }, Taken { measured: 9, warmup: 5 }] {
            let workload = workload.clone().after(taken);
            let measured = (0..run.measured).map(|index| workload.draft(index));
            let warmup = (0..run.warmup).map(|index| workload.warmup_draft(index));
            for draft in measured.chain(warmup) {
                assert!(seen.insert(draft.prompt.text()), "{} repeats itself", workload.name());
            }
            taken += run;
        }
        assert_eq!(taken.total(), 20);
    }
    let used_up = Workload::dataset(lines(20), Some(Seed(3)));
    let first = used_up.draft(0);
    let next = used_up.after(Taken { measured: 20, warmup: 0 }).draft(0);
    assert!(first.item < 20 && next.item < 20, "then it begins again");
}

/// A file of prompts made by others, with fields of its own, where the data folder is at hand.
#[test]
#[expect(clippy::disallowed_methods, reason = "the data lies outside the repository")]
fn a_real_file_of_prompts_is_read() {
    let folder = std::env::var_os("PRONY_SHARED_DATA").map_or_else(
        || std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data"),
        std::path::PathBuf::from,
    );
    let path = folder.join("eval-ifeval/input_data.jsonl");
    let Ok(bytes) = std::fs::read(&path) else {
        println!("skipped: no {}", path.display());
        return;
    };
    let dataset = Dataset::parse(&bytes, "input_data.jsonl").unwrap();
    assert_eq!((dataset.len(), dataset.skipped()), (541, 0));
}

proptest! {
    #[test]
    fn a_shuffled_dataset_gives_every_line_once_a_round(count in 1_u64..200, seed: u64) {
        let workload = Workload::dataset(lines(count), Some(Seed(seed)));
        for round in 0..3 {
            let mut items: Vec<u64> =
                (0..count).map(|place| workload.draft(round * count + place).item).collect();
            items.sort_unstable();
            prop_assert_eq!(items, (0..count).collect::<Vec<_>>());
        }
    }
}
