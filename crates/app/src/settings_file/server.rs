//! Where the server stands and listens, to whom it answers, and how much may wait.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use api::management::key::KeyDigest;
use api::management::{Certificate, Key, KeyRing, Role};
use domain::Secret;

use super::reader::Table;
use crate::output;

/// The port where nothing is said.
const PORT_DEFAULT: u32 = 8080;
/// How many benchmarks may wait where nothing is said.
const QUEUE_DEFAULT: u32 = 100;

/// `[server]` and `[keys]`.
#[derive(Debug)]
pub(crate) struct ServerSettings {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// What it shows over TLS.
    pub(crate) certificate: Option<Certificate>,
    /// How many benchmarks may wait.
    pub(crate) queue: u32,
    /// Who may do what.
    pub(crate) keys: Vec<Key>,
    /// Where this Prony stands: the region its requests set out from.
    pub(crate) region: Option<String>,
    /// Whether benchmarks may describe servers where there are no keys: with keys, an admin may.
    ad_hoc_targets: bool,
    /// Keys that such servers may be sent, by the variable that holds each.
    pub(super) ad_hoc_keys: BTreeMap<String, Secret>,
}

impl ServerSettings {
    pub(super) fn read(root: &mut Table<'_>) -> Self {
        let keys: Vec<Key> = root.tables("keys").into_iter().filter_map(key).collect();
        let local = IpAddr::from(Ipv4Addr::LOCALHOST);
        let Some(mut table) = root.table("server") else {
            let address = SocketAddr::new(local, PORT_DEFAULT as u16);
            return Self {
                address,
                certificate: None,
                queue: QUEUE_DEFAULT,
                keys,
                region: None,
                ad_hoc_targets: false,
                ad_hoc_keys: BTreeMap::new(),
            };
        };
        let host = table.parsed("host").unwrap_or(local);
        let port = table.number("port", 0..=u32::from(u16::MAX)).unwrap_or(PORT_DEFAULT);
        if !host.is_loopback() && keys.is_empty() && !root.has("keys") {
            table.refuse(
                "host",
                "lets other machines in, and there is no key",
                "make one with `prony config key NAME --role operator`, or listen on 127.0.0.1",
            );
        }
        let certificate = certificate(&mut table);
        let queue = table.number("queue", 1..=10_000).unwrap_or(QUEUE_DEFAULT);
        let region = table.text("region");
        let ad_hoc_targets = table.switch("ad_hoc_targets").unwrap_or(false);
        if ad_hoc_targets && root.has("keys") {
            let hint = "leave it out: with keys, whoever has one of role admin may";
            table.refuse("ad_hoc_targets", "is about servers without keys", hint);
        }
        let ad_hoc_keys = ad_hoc_keys(&mut table);
        table.refuse_others();
        Self {
            address: SocketAddr::new(host, port as u16),
            certificate,
            queue,
            keys,
            region,
            ad_hoc_targets,
            ad_hoc_keys,
        }
    }

    /// Who may do what.
    pub(crate) fn key_ring(&self) -> KeyRing {
        match self.keys.as_slice() {
            [] if self.ad_hoc_targets => KeyRing::without_keys(Role::Admin),
            keys => KeyRing::new(keys.to_vec()),
        }
    }

    /// Whether what other machines send can be read on its way.
    pub(super) fn is_in_the_clear(&self) -> bool {
        !self.address.ip().is_loopback() && self.certificate.is_none()
    }
}

/// The keys in the variables that are listed.
fn ad_hoc_keys(table: &mut Table<'_>) -> BTreeMap<String, Secret> {
    let mut keys = BTreeMap::new();
    for variable in table.words("ad_hoc_keys").unwrap_or_default() {
        match output::environment(&variable) {
            Some(key) => {
                keys.insert(variable, Secret::new(key));
            }
            None => {
                // Somebody may have put the key in place of the variable's name.
                let hint = "list names of variables of the environment, and set each";
                table.refuse("ad_hoc_keys", "names a variable that is not set", hint);
            }
        }
    }
    keys
}

fn certificate(table: &mut Table<'_>) -> Option<Certificate> {
    for (one, other) in [("tls_certificate", "tls_key"), ("tls_key", "tls_certificate")] {
        if table.has(one) && !table.has(other) {
            table.refuse(one, format!("stands without `{other}`"), "TLS needs both");
        }
    }
    let (chain, key) = (table.file("tls_certificate"), table.file("tls_key"));
    match Certificate::read(&chain?, &key?) {
        Ok(certificate) => Some(certificate),
        Err(error) => {
            table.refuse("tls_certificate", format!("cannot be used: {error}"), "");
            None
        }
    }
}

/// `[keys.NAME]`
fn key(mut table: Table<'_>) -> Option<Key> {
    let role = table.choice("role", &Role::ALL.map(|role| (role.as_str(), role)));
    let text = table.text("sha256");
    let digest = text.as_deref().and_then(KeyDigest::from_hex);
    let hint = "make a key with `prony config key NAME --role operator`";
    if text.is_some() && digest.is_none() {
        table.refuse("sha256", "is no SHA-256 in hexadecimal digits", hint);
    }
    for name in ["role", "sha256"] {
        if !table.has(name) {
            table.refuse(name, "is missing", hint);
        }
    }
    let name = table.name.clone();
    table.refuse_others();
    Some(Key { name, role: role?, digest: digest? })
}

impl fmt::Display for ServerSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.certificate.is_some() { "https" } else { "http" };
        write!(f, "{scheme}://{}", self.address)?;
        if let Some(region) = &self.region {
            write!(f, " in {region}")?;
        }
        f.write_str(", ")?;
        match self.keys.as_slice() {
            [] => f.write_str("no keys")?,
            keys => {
                let told = |key: &Key| format!("{} ({})", key.name, key.role.as_str());
                write!(f, "keys {}", keys.iter().map(told).collect::<Vec<_>>().join(", "))?;
            }
        }
        write!(f, ", up to {} benchmarks wait", self.queue)?;
        if self.ad_hoc_targets {
            f.write_str(", benchmarks may describe servers")?;
        }
        if !self.ad_hoc_keys.is_empty() {
            let variables: Vec<&str> = self.ad_hoc_keys.keys().map(|name| &**name).collect();
            write!(f, ", which may be sent {}", variables.join(", "))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::{Settings, parse};

    #[test]
    fn who_may_describe_servers_is_said_once_and_their_keys_by_name() {
        let told = |text: &str| match parse(text, Path::new("/nowhere"), Settings::of) {
            Ok(settings) => settings.server.to_string(),
            Err(faults) => faults.told(Path::new("prony.toml"), text).message().to_owned(),
        };
        let open = told("[server]\nad_hoc_targets = true\nad_hoc_keys = ['PATH']\n");
        assert!(
            open.ends_with("benchmarks may describe servers, which may be sent PATH"),
            "{open}"
        );
        let keys = "[keys.a]\nrole = 'admin'\nsha256 = 'x'\n";
        let both = told(&format!("[server]\nad_hoc_targets = true\n{keys}"));
        assert!(both.contains("is about servers without keys"), "{both}");
        let unset = told("[server]\nad_hoc_keys = ['sk-secret']\n");
        assert!(unset.contains("names a variable that is not set"), "{unset}");
        assert!(!unset.contains("sk-secret"), "{unset}");
    }
}
