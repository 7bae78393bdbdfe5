//! What benchmarks may name: the targets and scenarios of the file, and the named scenarios.

use std::sync::Arc;

use control::{Catalogue, Opener, Problem, Subject, Target};
use domain::Clock;
use provider::Provider;

use super::ad_hoc::Allowed;
use super::target::{Means, TargetSettings};
use super::{Settings, ad_hoc, scenario};
use crate::bench::subject::ready_engine;
use crate::engine_source::{self, EmbeddedSettings};

impl Settings {
    /// Every target, which tells the time by `clock` once it is opened, and every scenario, the named
    /// ones first.
    pub(crate) fn catalogue(&self, clock: &Arc<dyn Clock>) -> Catalogue {
        let targets = self.targets.iter().map(|settings| target(settings, clock)).collect();
        let scenarios = scenario::named().into_iter().chain(self.scenarios.iter().cloned());
        let remote = self.targets.iter().filter_map(|settings| match &settings.means {
            Means::Remote(target) => Some(target.url.host.to_ascii_lowercase()),
            Means::Embedded { .. } => None,
        });
        let (keys, hosts) = (self.server.ad_hoc_keys.clone(), remote.collect());
        Catalogue {
            targets,
            scenarios: scenarios.collect(),
            ad_hoc: ad_hoc::maker(Allowed { keys, hosts }, Arc::clone(clock)),
        }
    }
}

pub(super) fn target(settings: &TargetSettings, clock: &Arc<dyn Clock>) -> Target {
    let url_host = match &settings.means {
        Means::Remote(target) => Some(target.url.host.clone()),
        Means::Embedded { .. } => None,
    };
    Target {
        name: settings.name.clone(),
        provider: settings.provider.clone(),
        model: settings.model.clone(),
        url_host,
        region: settings.region.clone(),
        labels: settings.labels.clone(),
        open: opener(&settings.means, &settings.model, Arc::clone(clock)),
    }
}

fn opener(means: &Means, model: &str, clock: Arc<dyn Clock>) -> Opener {
    let model = model.to_owned();
    match means.clone() {
        // A server is not asked whether it is there: that is for the first request to find out, and
        // for its record to tell.
        Means::Remote(target) => Arc::new(move || {
            let opened = remote(&target, &model, Arc::clone(&clock));
            Box::pin(async { opened })
        }),
        Means::Embedded { file, settings } => Arc::new(move || {
            let (file, settings) = (file.clone(), settings.clone());
            let (model, clock) = (model.clone(), Arc::clone(&clock));
            let load = move || embedded(&file, &settings, model, clock);
            Box::pin(async move {
                let loaded = tokio::task::spawn_blocking(load).await;
                loaded.unwrap_or_else(|_| Err(not_loaded("its loader broke off", "")))
            })
        }),
    }
}

fn remote(
    target: &provider::Target,
    model: &str,
    clock: Arc<dyn Clock>,
) -> Result<Subject, Problem> {
    let provider = Provider::new(target.clone(), clock).map_err(|error| Problem {
        title: "The target cannot be used".to_owned(),
        detail: error.to_string(),
        hint: "check it with `prony config check`".to_owned(),
    })?;
    Ok(Subject {
        model: Arc::new(provider),
        name: model.to_owned(),
        description: format!("{}{}", target.url, dialect::path(target.format)),
        tokenizer: None,
        is_embedded: false,
    })
}

fn embedded(
    file: &str,
    settings: &EmbeddedSettings,
    name: String,
    clock: Arc<dyn Clock>,
) -> Result<Subject, Problem> {
    let engine = engine_source::start(file, settings, None, clock)
        .map_err(|error| not_loaded(error.message(), error.remedy().unwrap_or_default()))?;
    let ready = ready_engine(engine, Vec::new());
    Ok(Subject {
        model: ready.model,
        name,
        description: ready.description,
        tokenizer: ready.tokenizer,
        is_embedded: ready.is_embedded,
    })
}

fn not_loaded(detail: &str, hint: &str) -> Problem {
    Problem {
        title: "The model cannot be loaded".to_owned(),
        detail: detail.to_owned(),
        hint: hint.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use domain::SystemClock;

    use super::super::parse;
    use super::*;

    #[tokio::test]
    async fn benchmarks_may_name_the_files_targets_and_scenarios_and_the_named_ones() {
        let text = r#"
[targets.gpt]
url = "https://api.openai.com/v1"
model = "gpt-4o"
region = "us-east"
labels = { team = "search" }

[targets.local]
engine = "gone.gguf"
llama_dir = "gone"

[scenarios.exact]
description = "Long prompts"
input_len = 512
"#;
        let settings = parse(text, Path::new("/nowhere"), Settings::of).expect("it is in order");
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let catalogue = settings.catalogue(&clock);
        let names: Vec<&str> = catalogue.scenarios.iter().map(|listed| &*listed.name).collect();
        assert_eq!(names, ["short_queries", "long_documents", "code_generation", "exact"]);
        assert_eq!(catalogue.scenario("exact").expect("it is listed").description, "Long prompts");
        assert!(catalogue.scenario("long_documents:3000").is_some());

        let gpt = catalogue.target("gpt").expect("it is listed");
        assert_eq!((&*gpt.provider, gpt.url_host.as_deref()), ("openai", Some("api.openai.com")));
        assert_eq!((gpt.region.as_deref(), gpt.labels.len()), (Some("us-east"), 1));
        let subject = (gpt.open)().await.expect("a client, which has not asked anything yet");
        assert_eq!((&*subject.name, subject.is_embedded), ("gpt-4o", false));
        assert_eq!(subject.description, "https://api.openai.com/v1/chat/completions");

        let local = catalogue.target("local").expect("it is listed");
        assert_eq!((&*local.provider, &local.url_host), ("engine", &None));
        let problem = (local.open)().await.expect_err("there is no such file");
        assert_eq!(problem.title, "The model cannot be loaded");
        assert!(problem.detail.contains("/nowhere/gone"), "{problem}");
    }
}
