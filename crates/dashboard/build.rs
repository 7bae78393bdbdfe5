//! Makes the pages that the crate embeds: see `build/pages.rs` for when, `build/embed.rs` for how.

#![allow(clippy::disallowed_methods, reason = "a build script reads its sources and settings")]
#![allow(clippy::print_stdout, reason = "so a build script speaks to cargo")]

#[path = "build/embed.rs"]
mod embed;
#[path = "build/pages.rs"]
mod pages;

use std::path::{Path, PathBuf};
use std::{env, io};

use pages::{Made, Pages, Tools};

/// Set to `skip`, it leaves the dashboard out.
const SETTING: &str = "PRONY_DASHBOARD";

fn main() -> io::Result<()> {
    let folder = |name| PathBuf::from(env::var_os(name).expect("cargo sets it"));
    let out = folder("OUT_DIR");
    let pages = Pages::new(folder("CARGO_MANIFEST_DIR").join("../../dashboard"));
    println!("cargo::rerun-if-env-changed={SETTING}");
    let setting = env::var(SETTING).unwrap_or_default();
    if setting == "skip" {
        return embed::nothing(&out, &format!("It was left out: {SETTING} was `skip`."));
    }
    for source in pages.sources() {
        watch(&source);
    }
    let tools = Tools {
        is_offline: env::var("CARGO_NET_OFFLINE").is_ok_and(|v| v == "true"),
        ..Tools::default()
    };
    let made = pages.make(&tools);
    if made != Made::Whole {
        // Pages that are made by hand are embedded by the next build.
        std::fs::create_dir_all(pages.dist())?;
        watch(&pages.dist());
    }
    match made {
        Made::Whole => embed::folder(&out, &pages.dist()),
        Made::Outdated(reason) => {
            warn(&format!("the embedded dashboard is older than its sources: {reason}"));
            embed::folder(&out, &pages.dist())
        }
        Made::Nothing(reason) => {
            warn(&format!("the program is built without its dashboard: {reason}"));
            embed::nothing(&out, &reason)
        }
    }
}

fn watch(path: &Path) {
    println!("cargo::rerun-if-changed={}", path.display());
}

/// A warning takes one line.
fn warn(text: &str) {
    for line in text.lines() {
        println!("cargo::warning={line}");
    }
}
