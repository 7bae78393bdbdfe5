//! Which crate may import which: only those of a lower layer.

use std::path::Path;

use super::Breach;
use crate::workspace::{DependencyKind, Package, Workspace};

/// Every crate of the design and its layer, lowest first.
const LAYERS: &[(&str, u8)] = &[
    ("domain", 0),
    ("analysis", 1),
    ("dialect", 1),
    ("text", 1),
    ("llama", 1),
    ("pace", 1),
    ("cost", 2),
    ("quality", 2),
    ("optimizer", 2),
    ("load", 3),
    ("gateway", 3),
    ("provider", 3),
    ("engine", 3),
    ("sim", 3),
    ("compress", 3),
    ("grade", 3),
    ("collect", 3),
    ("store", 3),
    ("alert", 3),
    ("report", 3),
    ("dashboard", 3),
    ("control", 4),
    ("archive", 5),
    ("api", 6),
    ("prony", 7),
];

/// The helper of everyone's tests: it imports layers below this one, and only tests import it.
const TESTKIT: (&str, u8) = ("testkit", 2);

/// The chores import no crate of the workspace.
const XTASK: &str = "xtask";

/// What a member of the workspace is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Layer(u8),
    Testkit,
    Xtask,
}

impl Place {
    fn of(name: &str) -> Option<Self> {
        if name == TESTKIT.0 {
            return Some(Self::Testkit);
        }
        if name == XTASK {
            return Some(Self::Xtask);
        }
        let &(_, layer) = LAYERS.iter().find(|(known, _)| *known == name)?;
        Some(Self::Layer(layer))
    }
}

/// Finds members without a layer, folders not named after their crate, and imports that do not
/// point down.
pub(super) fn check(workspace: &Workspace) -> Vec<Breach> {
    let members: Vec<&str> = workspace.packages.iter().map(|package| &*package.name).collect();
    workspace.packages.iter().flat_map(|package| check_package(package, &members)).collect()
}

fn check_package(package: &Package, members: &[&str]) -> Vec<Breach> {
    let breach = |message| Breach { path: package.folder.join("Cargo.toml"), line: None, message };
    let name = &package.name;
    let Some(place) = Place::of(name) else {
        return vec![breach(format!(
            "`{name}` has no layer: give it one in xtask's tidy/edges.rs"
        ))];
    };
    let mut breaches = Vec::new();
    if package.folder != Path::new(&folder_of(name)) {
        breaches.push(breach(format!("`{name}` belongs in {}", folder_of(name))));
    }
    for dependency in &package.dependencies {
        let import = &*dependency.name;
        if !members.contains(&import) {
            continue;
        }
        // A member without a layer is reported once, as a member.
        let Some(imported) = Place::of(import) else { continue };
        if let Some(why) = refusal(place, imported, dependency.kind) {
            breaches.push(breach(format!("`{name}` must not import `{import}`: {why}")));
        }
    }
    breaches
}

fn folder_of(name: &str) -> String {
    match name {
        "prony" => "crates/app".to_owned(),
        XTASK => XTASK.to_owned(),
        _ => format!("crates/{name}"),
    }
}

/// Why `place` may not import `imported`; `None` where it may.
///
/// Tests are freer than the crate they test: they may also bring in siblings, and the testkit.
fn refusal(place: Place, imported: Place, kind: DependencyKind) -> Option<String> {
    match (place, imported, kind) {
        (Place::Xtask, _, _) => Some("the chores stand apart from what they check".to_owned()),
        (_, Place::Xtask, _) => Some("nothing needs the chores".to_owned()),
        (_, Place::Testkit, DependencyKind::Normal) => {
            Some("it is for tests, so make it a dev-dependency".to_owned())
        }
        (_, Place::Testkit, DependencyKind::Dev) => None,
        (Place::Testkit, Place::Layer(below), _) if below < TESTKIT.1 => None,
        (Place::Testkit, Place::Layer(layer), _) => {
            Some(format!("the testkit serves layers that layer {layer} stands on"))
        }
        (Place::Layer(layer), Place::Layer(below), _) if below < layer => None,
        (Place::Layer(layer), Place::Layer(same), DependencyKind::Dev) if same == layer => None,
        (Place::Layer(layer), Place::Layer(above), _) => {
            Some(format!("layer {layer} stands below or beside layer {above}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::tidy::testing::{package, printed, workspace};

    fn check(packages: &[(&str, &[&str])], expected: &[&str]) {
        let packages = packages.iter().map(|(name, imports)| package(name, imports)).collect();
        assert_eq!(printed(&super::check(&workspace(packages, &[]))), expected);
    }

    #[test]
    fn imports_point_down() {
        check(
            &[
                ("domain", &["serde"]),
                ("testkit", &["domain"]),
                ("analysis", &["domain", "dev:testkit"]),
                ("dialect", &["domain"]),
                ("store", &["domain", "analysis", "dev:report"]),
                ("report", &["analysis"]),
                ("api", &["dialect"]),
                ("prony", &["api", "store", "report"]),
            ],
            &[],
        );
    }

    #[test]
    fn imports_up_or_sideways_are_named() {
        check(
            &[
                ("domain", &["analysis"]),
                ("analysis", &["dialect", "testkit"]),
                ("dialect", &["dev:sim"]),
                ("sim", &["xtask"]),
                ("testkit", &["sim"]),
                ("xtask", &["domain"]),
            ],
            &[
                "crates/domain/Cargo.toml: `domain` must not import `analysis`: layer 0 stands \
                 below or beside layer 1",
                "crates/analysis/Cargo.toml: `analysis` must not import `dialect`: layer 1 stands \
                 below or beside layer 1",
                "crates/analysis/Cargo.toml: `analysis` must not import `testkit`: it is for \
                 tests, so make it a dev-dependency",
                "crates/dialect/Cargo.toml: `dialect` must not import `sim`: layer 1 stands below \
                 or beside layer 3",
                "crates/sim/Cargo.toml: `sim` must not import `xtask`: nothing needs the chores",
                "crates/testkit/Cargo.toml: `testkit` must not import `sim`: the testkit serves \
                 layers that layer 3 stands on",
                "crates/xtask/Cargo.toml: `xtask` belongs in xtask",
                "crates/xtask/Cargo.toml: `xtask` must not import `domain`: the chores stand \
                 apart from what they check",
            ],
        );
    }

    #[test]
    fn a_new_crate_needs_a_layer() {
        check(
            &[("gizmo", &[])],
            &["crates/gizmo/Cargo.toml: `gizmo` has no layer: give it one in xtask's \
               tidy/edges.rs"],
        );
    }
}
