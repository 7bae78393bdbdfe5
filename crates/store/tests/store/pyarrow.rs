//! Another implementation reads the Parquet file: Apache Arrow's, from Python.

use std::process::Command;

use analysis::Origin;
use store::{Existing, Format, Recorder};

use crate::fixture::{anchor, failure, label, success};

const SCRIPT: &str = "
import sys, pyarrow.parquet as parquet
table = parquet.read_table(sys.argv[1])
for name in ['request_id', 'user_id', 'started_unix_ns', 'ttft_ms', 'warmup', 'error_kind',
             'chunk_ns', 'chunk_lag_ns']:
    print(table.schema.field(name).type, table[name].to_pylist())
";

#[test]
fn arrow_reads_the_parquet_file() {
    let Some(python) = testkit::asset::python() else { return };
    let run = |arguments: &[&str]| Command::new(&python).args(arguments).output().unwrap();
    if !run(&["-c", "import pyarrow"]).status.success() {
        println!("skipped: {} has no pyarrow", python.display());
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut recorder =
        Recorder::create(folder.path(), &[Format::Parquet], Existing::Refuse, anchor()).unwrap();
    for exchange in [success(), failure()] {
        recorder.write(&exchange, &label(Origin::Planned)).unwrap();
    }
    let path = recorder.finish().unwrap().remove(0);

    let output = run(&["-c", SCRIPT, path.to_str().unwrap()]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    insta::assert_snapshot!(String::from_utf8(output.stdout).unwrap(), @r#"
    string ['0000000000000abc-7', '0000000000000abc-8']
    int64 [3, 3]
    int64 [1700000000001000000, 1700000000001000000]
    double [51.0, None]
    bool [False, False]
    string [None, 'rate_limited']
    list<element: int64 not null> [[50000000, 60000000, 80000000], []]
    list<element: int64 not null> [[20000, 20000, 20000], []]
    "#);
}
