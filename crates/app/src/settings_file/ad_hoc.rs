//! Servers that a benchmark describes, where the file names none: made with what is known of their
//! hosts, with no key but those that the file lists, and at no address that is reserved.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use control::{AdHocError, AdHocMaker, AdHocTarget, Target};
use domain::{Clock, Secret};
use provider::BaseUrl;

use super::beside::Beside;
use super::catalogue;
use super::reserved;
use super::target::{Means, TargetSettings, plain, unusable};
use crate::hosted;

/// What the file allows descriptions.
pub(super) struct Allowed {
    /// Keys, each by the variable that holds it.
    pub(super) keys: BTreeMap<String, Secret>,
    /// The hosts of the file's own targets, whatever addresses they have.
    pub(super) hosts: BTreeSet<String>,
}

/// Makes targets that tell the time by `clock` once they are opened.
pub(super) fn maker(allowed: Allowed, clock: Arc<dyn Clock>) -> AdHocMaker {
    Arc::new(move |described| made(described, &allowed, &clock))
}

fn made(
    described: AdHocTarget,
    allowed: &Allowed,
    clock: &Arc<dyn Clock>,
) -> Result<Target, AdHocError> {
    let keys = &allowed.keys;
    let AdHocTarget { name, url, model, provider, format, region, key_env } = described;
    let base = BaseUrl::parse(&url).map_err(|error| AdHocError::Url(unusable(error)))?;
    let (host, port) = (base.host.clone(), base.port);
    let is_listed = allowed.hosts.contains(&host.to_ascii_lowercase());
    if !is_listed && reserved::is_reserved(&host) {
        return Err(AdHocError::Url(reserved::refusal()));
    }
    let format = format.unwrap_or_else(|| provider::probe::likely_format(&url));
    let mut server = plain(base, format);
    // Somebody may have put a key in place of the variable's name, so it is not repeated.
    let known = |variable: String| keys.get(&variable).cloned().ok_or_else(|| unlisted(keys));
    server.key = key_env.map(known).transpose()?;
    let provider = provider.unwrap_or_else(|| hosted::label(&server.url.host));
    let (labels, means) = (BTreeMap::new(), Means::Remote(Box::new(server)));
    let beside = Beside::default();
    let settings = TargetSettings { name, provider, model, region, labels, means, beside };
    let target = catalogue::target(&settings, clock);
    Ok(if is_listed { target } else { reserved::guarded(target, host, port) })
}

fn unlisted(keys: &BTreeMap<String, Secret>) -> AdHocError {
    let listed: Vec<&str> = keys.keys().map(|variable| &**variable).collect();
    let listed = if listed.is_empty() { "none".to_owned() } else { listed.join(", ") };
    AdHocError::KeyEnv(format!(
        "is no variable that `ad_hoc_keys` under [server] in prony.toml lists; it lists: {listed}"
    ))
}

#[cfg(test)]
mod tests {
    use domain::SystemClock;

    use super::*;

    fn described(url: &str, key_env: Option<&str>) -> Result<Target, AdHocError> {
        let allowed = Allowed {
            keys: BTreeMap::from([("LAB_KEY".to_owned(), Secret::new("s3cret"))]),
            hosts: BTreeSet::from(["169.254.7.7".to_owned()]),
        };
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let described = AdHocTarget {
            name: "mine".to_owned(),
            url: url.to_owned(),
            model: "m".to_owned(),
            provider: None,
            format: None,
            region: Some("eu".to_owned()),
            key_env: key_env.map(str::to_owned),
        };
        made(described, &allowed, &clock)
    }

    #[tokio::test]
    async fn a_server_is_made_of_its_description() {
        let target = described("https://api.openai.com/v1", Some("LAB_KEY")).expect("it is sound");
        assert_eq!((&*target.name, &*target.provider, &*target.model), ("mine", "openai", "m"));
        assert_eq!(target.url_host.as_deref(), Some("api.openai.com"));
        assert_eq!(target.region.as_deref(), Some("eu"));
        // Opening it looks its host up, which an address needs nobody for.
        let target = described("https://127.0.0.1:9/v1", None).expect("it is sound");
        let subject = (target.open)().await.expect("a client, which has not asked anything yet");
        assert_eq!(subject.description, "https://127.0.0.1:9/v1/chat/completions");
    }

    #[tokio::test]
    async fn reserved_addresses_are_for_the_configuration_to_name() {
        for url in
            ["http://169.254.169.254/latest", "http://[fe80::1]:8000", "http://[::ffff:a9fe:1]"]
        {
            let told = described(url, None).expect_err(url).to_string();
            assert!(told.ends_with("name it as a target in prony.toml if it is meant"), "{told}");
        }
        let hidden = described("http://2852039166", None).expect("a name, as it looks");
        let problem = (hidden.open)().await.expect_err("it is 169.254.169.254");
        assert!(problem.detail.contains("leads to a link-local address"), "{problem}");
        let listed =
            described("http://169.254.7.7:8000", None).expect("the file has a target there");
        assert!((listed.open)().await.is_ok());
    }

    #[test]
    fn only_listed_keys_and_plain_addresses_are_taken_and_neither_is_repeated() {
        let refused = |url, key| described(url, key).expect_err("it is refused").to_string();
        for variable in ["PATH", "HOME", "sk-secret", "lab_key", ""] {
            let told = refused("http://127.0.0.1:9", Some(variable));
            assert!(told.ends_with("it lists: LAB_KEY"), "{told}");
            assert!(variable.is_empty() || !told.contains(variable), "{told}");
        }
        for url in ["file:///etc/passwd", "ftp://h", "http://", "h:80", "http://u:sk-secret@h"] {
            let told = refused(url, None);
            assert!(told.starts_with("cannot be used: "), "{told}");
            assert!(!told.contains("sk-secret"), "{told}");
        }
    }
}
