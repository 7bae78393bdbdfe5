//! A series in writing: the key that its rollups are kept under.

use std::sync::Arc;

use domain::{Series, Source, Vantage};
use serde::{Deserialize, Serialize};
use store::durable::StoredRecord;

/// The members of a key, in their order. Append only, with a default for keys that lack it.
#[derive(Serialize, Deserialize)]
struct Key<'a> {
    #[serde(borrow)]
    model: std::borrow::Cow<'a, str>,
    #[serde(borrow)]
    provider: std::borrow::Cow<'a, str>,
    #[serde(borrow)]
    region: std::borrow::Cow<'a, str>,
    #[serde(borrow)]
    vantage: std::borrow::Cow<'a, str>,
    #[serde(borrow)]
    vantage_region: std::borrow::Cow<'a, str>,
    #[serde(borrow)]
    scenario: std::borrow::Cow<'a, str>,
    #[serde(borrow)]
    source: std::borrow::Cow<'a, str>,
}

/// Writes a series down.
#[must_use]
pub fn write(series: &Series) -> String {
    let key = Key {
        model: (&*series.model).into(),
        provider: (&*series.provider).into(),
        region: (&*series.region).into(),
        vantage: series.vantage.as_str().into(),
        vantage_region: (&*series.vantage_region).into(),
        scenario: (&*series.scenario).into(),
        source: series.source.as_str().into(),
    };
    serde_json::to_string(&key).expect("texts are always JSON")
}

/// Reads what [`write`] wrote; `None` where it is none of that.
#[must_use]
pub fn read(key: &str) -> Option<Series> {
    let key: Key<'_> = serde_json::from_str(key).ok()?;
    Some(Series {
        model: Arc::from(&*key.model),
        provider: Arc::from(&*key.provider),
        region: Arc::from(&*key.region),
        vantage: vantage(&key.vantage)?,
        vantage_region: Arc::from(&*key.vantage_region),
        scenario: Arc::from(&*key.scenario),
        source: source(&key.source)?,
    })
}

/// The series that a stored record counts in; `None` where its source is not known.
#[must_use]
pub fn of(record: &StoredRecord) -> Option<Series> {
    let provenance = &record.provenance;
    Some(Series {
        model: Arc::clone(&record.exchange.model),
        provider: Arc::clone(&provenance.provider),
        region: Arc::clone(&provenance.target_region),
        vantage: record.exchange.vantage,
        vantage_region: Arc::clone(&provenance.vantage_region),
        scenario: Arc::clone(&record.exchange.scenario),
        source: source(&provenance.source)?,
    })
}

fn vantage(word: &str) -> Option<Vantage> {
    [Vantage::Client, Vantage::Gateway, Vantage::Engine]
        .into_iter()
        .find(|vantage| vantage.as_str() == word)
}

fn source(word: &str) -> Option<Source> {
    Source::ALL.into_iter().find(|source| source.as_str() == word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_series_is_read_back() {
        for source in Source::ALL {
            let series = Series {
                model: "qwen \"3\"".into(),
                provider: "vllm".into(),
                region: "".into(),
                vantage: Vantage::Client,
                vantage_region: "eu\\west".into(),
                scenario: "short_queries".into(),
                source,
            };
            assert_eq!(read(&write(&series)), Some(series));
        }
        for key in ["", "{}", "[]", "null"] {
            assert_eq!(read(key), None, "{key}");
        }
    }
}
