//! What to doubt, each doubt with its remedy.

use std::io::{self, Write};

use analysis::Doubt;

use crate::Run;
use crate::console::{Style, Tone};

/// Writes the doubts of all runs: those of one kind together, over their common remedy, each named
/// after its run where there are several.
pub(crate) fn write(out: &mut dyn Write, runs: &[Run], style: Style) -> io::Result<()> {
    // What is wrong with a run that could not begin was told as an error.
    let doubts: Vec<(&Run, Doubt)> = runs
        .iter()
        .filter(|run| run.error.is_none())
        .flat_map(|run| {
            run.summary
                .verdict()
                .doubts()
                .iter()
                .map(move |doubt| (run, *doubt))
                .collect::<Vec<_>>()
        })
        .collect();
    let mut names: Vec<&str> = Vec::new();
    for (_, doubt) in &doubts {
        if !names.contains(&doubt.as_str()) {
            names.push(doubt.as_str());
        }
    }
    for name in names {
        let alike: Vec<&(&Run, Doubt)> =
            doubts.iter().filter(|(_, doubt)| doubt.as_str() == name).collect();
        for (run, doubt) in &alike {
            let warning = style.paint(Tone::Doubtful, "warning:");
            if runs.len() > 1 {
                let run = format!("{} · {} · {}", run.model, run.scenario, run.load);
                writeln!(out, "{warning} {run}: {}", doubt.message())?;
            } else {
                writeln!(out, "{warning} {}", doubt.message())?;
            }
        }
        writeln!(out, "  help: {}", alike[0].1.remedy())?;
    }
    Ok(())
}
