//! Addresses that a description of a server does not lead to: at link-local ones, and at a few beside
//! them, clouds tell their machines secrets. The configuration may name a target there all the same.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use control::{Opener, Problem, Target};

/// Where clouds serve metadata at addresses that are not link-local: Alibaba's, Amazon's and Google's.
const METADATA: [IpAddr; 3] = [
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
    IpAddr::V6(Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254)),
];

/// What to do about a host that leads there.
const REMEDY: &str = "name it as a target in prony.toml if it is meant";

/// Whether `host` is written as such an address.
pub(super) fn is_reserved(host: &str) -> bool {
    host.parse().is_ok_and(is_reserved_address)
}

/// What is wrong with such a host, behind the URL's name.
pub(super) fn refusal() -> String {
    format!("cannot be used: its host is link-local, or keeps a cloud's metadata; {REMEDY}")
}

fn is_reserved_address(address: IpAddr) -> bool {
    let address = match address {
        // As a translator between the protocols would reach it.
        IpAddr::V6(v6) if v6.segments()[..6] == [0x64, 0xff9b, 0, 0, 0, 0] => {
            let [.., a, b, c, d] = v6.octets();
            IpAddr::V4(Ipv4Addr::new(a, b, c, d))
        }
        address => address.to_canonical(),
    };
    let is_link_local = match address {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    };
    is_link_local || METADATA.contains(&address)
}

/// The same target, which is not opened where the name of its host leads to such an address.
pub(super) fn guarded(target: Target, host: String, port: u16) -> Target {
    let open = target.open;
    let guarded: Opener = Arc::new(move || {
        let (host, open) = (host.clone(), Arc::clone(&open));
        Box::pin(async move {
            look_up(&host, port).await?;
            open().await
        })
    });
    Target { open: guarded, ..target }
}

async fn look_up(host: &str, port: u16) -> Result<(), Problem> {
    let problem = |detail, hint: &str| {
        let title = "The target cannot be used".to_owned();
        Problem { title, detail, hint: hint.to_owned() }
    };
    let mut found = tokio::net::lookup_host((host, port)).await.map_err(|error| {
        problem(format!("cannot find host `{host}`: {error}"), "check the host in the target's url")
    })?;
    match found.find(|found| is_reserved_address(found.ip())) {
        None => Ok(()),
        Some(_) => {
            let what = "leads to a link-local address, or to one that keeps a cloud's metadata";
            Err(problem(format!("`{host}` {what}"), REMEDY))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn link_local_and_metadata_addresses_are_known_however_they_are_written() {
        for host in [
            "169.254.169.254",
            "169.254.0.1",
            "fe80::1",
            "febf::1",
            "::ffff:169.254.169.254",
            "64:ff9b::a9fe:a9fe",
            "fd00:ec2::254",
            "fd20:ce::254",
            "100.100.100.200",
        ] {
            assert!(is_reserved(host), "{host}");
        }
        for host in ["127.0.0.1", "10.0.0.7", "169.253.0.1", "fec0::1", "::1", "fd00::1", "gpu-1"] {
            assert!(!is_reserved(host), "{host}");
        }
    }

    /// The system reads an address in forms that are no plain ones, and finds it behind a name.
    #[tokio::test]
    async fn what_a_host_leads_to_counts() {
        assert_eq!(look_up("127.0.0.1", 80).await, Ok(()));
        for host in ["169.254.169.254", "2852039166", "0xa9fea9fe"] {
            let problem = look_up(host, 80).await.expect_err(host);
            assert_eq!(problem.hint, REMEDY, "{host}: {problem}");
        }
    }
}
