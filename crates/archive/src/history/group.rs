//! Series put together by what they have in common.

use std::collections::{BTreeMap, BTreeSet};

use alert::question::Filters;
use alert::{Dimension, Labels};
use domain::Series;

use crate::series;

/// The keys of the series that pass the filters, by the values of `group_by`.
pub(super) fn groups<'a>(
    keys: impl IntoIterator<Item = &'a str>,
    filters: &Filters,
    group_by: &BTreeSet<Dimension>,
) -> BTreeMap<Labels, Vec<String>> {
    let mut groups: BTreeMap<Labels, Vec<String>> = BTreeMap::new();
    for key in keys {
        // A key of a newer version is of no series that is known here.
        let Some(series) = series::read(key) else { continue };
        if filters.iter().all(|(dimension, values)| values.contains(value(&series, *dimension))) {
            let label = |dimension: &Dimension| (*dimension, value(&series, *dimension).to_owned());
            groups.entry(group_by.iter().map(label).collect()).or_default().push(key.to_owned());
        }
    }
    groups
}

fn value(series: &Series, dimension: Dimension) -> &str {
    match dimension {
        Dimension::Model => &series.model,
        Dimension::Provider => &series.provider,
        Dimension::Region => &series.region,
        Dimension::Vantage => series.vantage.as_str(),
        Dimension::VantageRegion => &series.vantage_region,
        Dimension::Scenario => &series.scenario,
        Dimension::Source => series.source.as_str(),
    }
}
