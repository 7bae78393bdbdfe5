//! Whether a bench's runs have names of their own: results, comparisons and recovery know a run by
//! its model, its prompts and its load.

use super::settings::BenchSettings;
use crate::failure::UserError;

/// Refuses lists that name the same twice.
pub(super) fn check(settings: &BenchSettings) -> Result<(), UserError> {
    let BenchSettings { target, load, workload, .. } = settings;
    let models = target.model.as_ref().map(|list| names(&list.0));
    let scenarios = workload.scenario.as_ref().map(|list| names(&list.0));
    let users = load.concurrency.as_ref().map(|list| names(&list.0));
    let rates = load.request_rate.as_ref().map(|list| names(&list.0));
    for (flag, names) in [
        ("--model", models),
        ("--scenario", scenarios),
        ("--concurrency", users),
        ("--request-rate", rates),
    ] {
        if let Some(name) = names.as_deref().and_then(repeated) {
            let problem = format!("{flag} names {name} twice, and two runs would have one name");
            return Err(UserError::usage(problem)
                .hint("name it once; to see how figures vary, run the bench again"));
        }
    }
    Ok(())
}

fn names(named: &[impl ToString]) -> Vec<String> {
    named.iter().map(ToString::to_string).collect()
}

/// The first name that was there before.
fn repeated(names: &[String]) -> Option<&String> {
    (1..names.len()).find(|&place| names[..place].contains(&names[place])).map(|at| &names[at])
}
