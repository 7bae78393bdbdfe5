//! The queries of the dashboards in `deploy/grafana/dashboards`, as Grafana would send them.

use serde_json::Value;

use crate::asset::workspace;

/// One query of one panel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PanelQuery {
    /// The dashboard and the panel, to be named where the query fails.
    pub place: String,
    /// PromQL, all of a dashboard's variables at "all".
    pub expr: String,
}

/// Every query of every panel, rates taken over `window`, such as `1m`.
///
/// # Panics
/// Where a dashboard cannot be read.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "the dashboards are files of the repository")]
pub fn panel_queries(window: &str) -> Vec<PanelQuery> {
    let folder = workspace().join("deploy/grafana/dashboards");
    let files = std::fs::read_dir(folder).expect("the repository has dashboards");
    let mut paths: Vec<_> = files.map(|file| file.expect("it can be listed").path()).collect();
    paths.sort();
    let mut queries = Vec::new();
    for path in paths {
        let text = std::fs::read_to_string(&path).expect("a dashboard is text");
        let dashboard: Value = serde_json::from_str(&text).expect("a dashboard is JSON");
        for panel in list(&dashboard["panels"]) {
            for target in list(&panel["targets"]) {
                let expr = target["expr"].as_str().expect("a target is a query");
                queries.push(PanelQuery {
                    place: format!("{}, {}", dashboard["title"], panel["title"]),
                    expr: all_of(&dashboard, &expr.replace("$__rate_interval", window)),
                });
            }
        }
    }
    queries
}

/// `expr` with every variable of the dashboard replaced by what it stands for at "all".
fn all_of(dashboard: &Value, expr: &str) -> String {
    let variables = list(&dashboard["templating"]["list"]).iter();
    let expr = variables.fold(expr.to_owned(), |expr, variable| {
        let name = variable["name"].as_str().expect("a variable has a name");
        expr.replace(&format!("${name}"), variable["allValue"].as_str().unwrap_or(".*"))
    });
    assert!(!expr.contains('$'), "a variable that the dashboard lacks: {expr}");
    expr
}

fn list(value: &Value) -> &[Value] {
    value.as_array().expect("a list")
}
