//! Questions in SQL.

use std::path::Path;

use insta::assert_snapshot;
use store::durable::{AnswerFormat, DurableError, QueryLimits, Reader, Retention};

use crate::durable::{append, open};

async fn ask(reader: &Reader, format: AnswerFormat, sql: &str) -> String {
    let answer = reader.query(sql, QueryLimits::default()).await.unwrap();
    let mut out = Vec::new();
    answer.write(format, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

/// Two runs: in partitions, and in the log alone.
fn fill(folder: &Path) -> store::durable::Store {
    let store = open(folder);
    append(&store, Some("r1"), 0..4);
    append(&store, None, 4..5);
    store.maintain(Retention::default()).unwrap();
    append(&store, Some("r1"), 5..6);
    append(&store, Some("r2"), 6..8);
    store
}

#[tokio::test(flavor = "multi_thread")]
async fn partitions_and_the_log_are_one_table() {
    let folder = tempfile::tempdir().unwrap();
    let _store = fill(folder.path());
    let reader = Reader::open(folder.path()).unwrap();
    let by_run = "SELECT run_id, count(*) AS requests, count(e2el_ms) AS succeeded, \
                  approx_percentile_cont(0.5) WITHIN GROUP (ORDER BY ttft_ms) AS ttft_ms_p50 \
                  FROM requests GROUP BY run_id ORDER BY run_id";
    assert_snapshot!(ask(&reader, AnswerFormat::Table, by_run).await, @r#"
    +--------+----------+-----------+-------------+
    | run_id | requests | succeeded | ttft_ms_p50 |
    +--------+----------+-----------+-------------+
    | r1     | 5        | 3         | 51.0        |
    | r2     | 2        | 2         | 51.0        |
    |        | 1        | 1         | 51.0        |
    +--------+----------+-----------+-------------+
    "#);
    let rows = "SELECT request_id, warmup, ttft_ms, error_message, chunk_ns, finished_unix_ns \
                FROM requests WHERE run_id = 'r1' AND user_id = 3 ORDER BY request_id LIMIT 3";
    assert_snapshot!(ask(&reader, AnswerFormat::Jsonl, rows).await, @r#"
    {"request_id":"0000000000000abc-0","warmup":false,"ttft_ms":51.0,"error_message":null,"chunk_ns":[50000000, 60000000, 80000000],"finished_unix_ns":1700000000082000000}
    {"request_id":"0000000000000abc-1","warmup":false,"ttft_ms":51.0,"error_message":null,"chunk_ns":[50000000, 60000000, 80000000],"finished_unix_ns":1700000000082000000}
    {"request_id":"0000000000000abc-2","warmup":false,"ttft_ms":null,"error_message":"slow down,\n\"please\"","chunk_ns":[],"finished_unix_ns":1700000000040000000}
    "#);
    assert_snapshot!(ask(&reader, AnswerFormat::Csv, rows).await, @r#"
    request_id,warmup,ttft_ms,error_message,chunk_ns,finished_unix_ns
    0000000000000abc-0,false,51.0,,"[50000000, 60000000, 80000000]",1700000000082000000
    0000000000000abc-1,false,51.0,,"[50000000, 60000000, 80000000]",1700000000082000000
    0000000000000abc-2,false,,"slow down,
    ""please""",[],1700000000040000000
    "#);
    let none = "SELECT count(*) AS requests FROM requests WHERE run_id = 'r9' \
                AND finished_unix_ns < 5";
    assert_snapshot!(ask(&reader, AnswerFormat::Csv, none).await, @r#"
    requests
    0
    "#);
    let runs = "SELECT run_id, status FROM runs";
    assert_snapshot!(ask(&reader, AnswerFormat::Csv, runs).await, @"run_id,status");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_condition_spares_the_partitions_it_excludes() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    append(&store, Some("r1"), 0..3);
    store.maintain(Retention::default()).unwrap();
    let partitions = folder.path().join("partitions");
    let file = std::fs::read_dir(&partitions).unwrap().next().unwrap().unwrap().path();
    // Whoever opened the file would notice.
    std::fs::remove_file(&file).unwrap();
    append(&store, Some("r2"), 3..5);
    for (condition, expected) in [
        ("run_id = 'r2'", 2),
        ("run_id IN ('r2', 'r3')", 2),
        ("finished_unix_ns < 1600000000000000000", 0),
        ("finished_unix_ns BETWEEN 1800000000000000000 AND 1900000000000000000", 0),
    ] {
        let sql = format!("SELECT count(*) AS n FROM requests WHERE {condition}");
        let answer = store.reader().query(&sql, QueryLimits::default()).await.unwrap();
        assert_eq!(answer.left_out, [] as [std::path::PathBuf; 0], "{condition}");
        let text = ask(store.reader(), AnswerFormat::Csv, &sql).await;
        assert_eq!(text, format!("n\n{expected}\n"), "{condition}");
    }
    // Where the file is needed, the answer says that it is missing.
    let sql = "SELECT count(*) AS n FROM requests";
    let answer = store.reader().query(sql, QueryLimits::default()).await.unwrap();
    assert_eq!(answer.left_out, [file]);
    assert_eq!(ask(store.reader(), AnswerFormat::Csv, sql).await, "n\n2\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_changes_nothing_and_reaches_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let store = fill(folder.path());
    let secret = folder.path().join("secret.csv");
    std::fs::write(&secret, "a\n1\n").unwrap();
    let secret = secret.display();
    let limits = QueryLimits::default();
    for sql in [
        "DROP TABLE requests".to_owned(),
        "DELETE FROM requests".to_owned(),
        "INSERT INTO runs SELECT * FROM runs".to_owned(),
        "CREATE TABLE copy AS SELECT * FROM requests".to_owned(),
        format!("CREATE EXTERNAL TABLE secret STORED AS CSV LOCATION '{secret}'"),
        format!("COPY requests TO '{}/out.parquet'", folder.path().display()),
        format!("SELECT * FROM '{secret}'"),
        "SET datafusion.execution.batch_size = 1".to_owned(),
        "SELECT wrong FROM requests".to_owned(),
        "SELEC 1".to_owned(),
    ] {
        let error = store.reader().query(&sql, limits).await.unwrap_err();
        assert!(matches!(error, DurableError::Query { .. }), "{sql}: {error}");
    }
    assert!(!folder.path().join("out.parquet").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_no_longer_than_asked_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let store = fill(folder.path());
    let limits = |rows| QueryLimits { rows, ..QueryLimits::default() };
    let sql = "SELECT user_id FROM requests";
    let cut = store.reader().query(sql, limits(7)).await.unwrap();
    assert_eq!((cut.rows(), cut.is_cut), (7, true));
    let whole = store.reader().query(sql, limits(8)).await.unwrap();
    assert_eq!((whole.rows(), whole.is_cut), (8, false));
    let tight = QueryLimits { memory_bytes: 1, ..QueryLimits::default() };
    let error = store.reader().query("SELECT * FROM requests ORDER BY e2el_ms", tight).await;
    assert!(matches!(error, Err(DurableError::Query { .. })));
}
