//! The script that installs what building and testing need.

use std::path::Path;

use testkit::Transcript;

use crate::desk::Desk;

/// Runs it where nothing is installed, not as root.
fn tools(need: &str) -> Transcript {
    let desk = Desk::new();
    desk.write("id", "#!/bin/sh\necho 1000\n");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/tools.sh");
    let line = format!(
        "/bin/chmod +x id && PATH='{}' exec /bin/sh '{}' {need}",
        desk.path("").display(),
        script.display()
    );
    Transcript::run(Path::new("/bin/sh"), &["-c", &line], &[], &desk.path(""))
}

#[test]
fn all_that_is_missing_is_listed_at_once_and_no_more_than_is_needed() {
    let build = ["gcc", "python3", "python3-pip", "nodejs", "npm", "cargo"];
    let test = ["python3-venv", "cargo-nextest"];
    for (need, wanted, unwanted) in
        [("build", &build[..], &test[..]), ("test", &[&build[..], &test].concat(), &[])]
    {
        let run = tools(need);
        assert_eq!((run.code, &*run.stdout), (Some(1), ""), "{}", run.stderr);
        let said = |tool: &&str| run.stderr.contains(&format!("{tool} is missing: "));
        assert!(wanted.iter().all(said), "{need}: {}", run.stderr);
        assert!(!unwanted.iter().any(said), "{need}: {}", run.stderr);
        let command = "as root: apt-get install gcc python3 python3-pip nodejs npm";
        assert!(run.stderr.contains(command), "{need}: {}", run.stderr);
    }
    assert_eq!(tools("").code, Some(2));
}
