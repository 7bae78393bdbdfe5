//! The client's record against the server's log, request by request.

use std::collections::HashMap;
use std::fmt;
use std::path::Path;

use anyhow::{Context as _, bail, ensure};
use serde_json::{Value, json};

use super::sample::{median, quantile};

/// How far first tokens' recorded arrivals lie from the server's writes.
pub(crate) struct Accuracy {
    answered: usize,
    asked: usize,
    /// Arrival less the moment the server's write returned, its size in milliseconds.
    to_write_ms: Vec<f64>,
    /// The same for the moment the client's read returned: what it would record without stamps.
    read_to_write_ms: Vec<f64>,
}

impl Accuracy {
    /// Joins `requests.jsonl` with `sim.jsonl`.
    pub(crate) fn read(folder: &Path) -> anyhow::Result<Self> {
        let served: HashMap<String, Value> = lines(&folder.join("sim.jsonl"))?
            .into_iter()
            .filter_map(|line| Some((line["request_id"].as_str()?.to_owned(), line)))
            .collect();
        let records = lines(&folder.join("requests.jsonl"))?;
        let mut accuracy = Self {
            answered: 0,
            asked: records.len(),
            to_write_ms: Vec::new(),
            read_to_write_ms: Vec::new(),
        };
        for record in &records {
            let id = record["request_id"].as_str().context("a record without an id")?;
            let Some(line) = served.get(id) else { bail!("the server knows no request {id}") };
            if !record["error"].is_null() {
                continue;
            }
            accuracy.answered += 1;
            let tokens = (record["output_tokens"].as_u64(), line["output_tokens"].as_u64());
            ensure!(tokens.0 == tokens.1, "request {id}: token counts differ: {tokens:?}");
            let arrived = nanos(record, "first_token_unix_ns")?;
            let written = nanos(line, "first_token_unix_ns")?;
            let lag = record["chunk_lag_ns"][0].as_i64().context("no read lag")?;
            accuracy.to_write_ms.push((arrived - written).abs() as f64 / 1e6);
            accuracy.read_to_write_ms.push((arrived + lag - written).abs() as f64 / 1e6);
        }
        ensure!(accuracy.answered > 0, "no request was answered");
        Ok(accuracy)
    }

    /// Whether every request was answered and the errors are as small as they should be.
    pub(crate) fn is_within(&self) -> bool {
        self.answered == self.asked
            && median(&self.to_write_ms) <= 0.1
            && quantile(&self.to_write_ms, 0.99) <= 1.0
    }

    pub(crate) fn to_json(&self) -> Value {
        let of = |values: &[f64]| {
            json!({
                "p50_ms": median(values), "p99_ms": quantile(values, 0.99),
                "max_ms": quantile(values, 1.0),
            })
        };
        json!({
            "asked": self.asked, "answered": self.answered,
            "stamp": of(&self.to_write_ms), "read": of(&self.read_to_write_ms),
        })
    }
}

impl fmt::Display for Accuracy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} of {} answered; p50 {:.3} ms, p99 {:.3} ms, largest {:.3} ms \
             (plain reads would say {:.3}, {:.3}, {:.3})",
            self.answered,
            self.asked,
            median(&self.to_write_ms),
            quantile(&self.to_write_ms, 0.99),
            quantile(&self.to_write_ms, 1.0),
            median(&self.read_to_write_ms),
            quantile(&self.read_to_write_ms, 0.99),
            quantile(&self.read_to_write_ms, 1.0),
        )
    }
}

/// How many reads brought a request's tokens: chunks that one read brought share its moment.
pub(crate) fn reads(record: &Value) -> f64 {
    let column = |name: &str| record[name].as_array().map_or(&[][..], Vec::as_slice);
    let moments = column("chunk_ns").iter().zip(column("chunk_lag_ns"));
    let mut last = None;
    let mut reads = 0.0;
    for (arrived, lag) in moments {
        let moment = arrived.as_i64().zip(lag.as_i64()).map(|(arrived, lag)| arrived + lag);
        if moment != last {
            reads += 1.0;
        }
        last = moment;
    }
    reads
}

fn nanos(line: &Value, key: &str) -> anyhow::Result<i64> {
    line[key].as_i64().with_context(|| format!("a line without {key}"))
}

/// The lines of a JSONL file.
pub(crate) fn lines(path: &Path) -> anyhow::Result<Vec<Value>> {
    super::read(path)?
        .lines()
        .map(|line| serde_json::from_str(line).with_context(|| format!("in {}", path.display())))
        .collect()
}
