//! What each format writes for requests checked by hand, and that what was written is read back.

use analysis::Origin;
use domain::{Arrival, Exchange, Timestamp, WallAnchor};
use parquet::file::reader::{FileReader as _, SerializedFileReader};
use parquet::record::{Field, Row};
use proptest::prelude::*;
use serde_json::Value;
use store::stored::STORED_ANCHOR;
use store::{ParquetWriter, Record, RunLabel, StoredRequest, csv, jsonl, read_jsonl};

use crate::fixture::{anchor, failure, label, success};

/// The line, a key a row.
fn json(exchange: &Exchange, origin: Origin) -> String {
    let mut out = Vec::new();
    jsonl::append_line(&mut out, &Record::new(exchange, &label(origin), anchor()));
    let line = String::from_utf8(out).unwrap();
    assert_eq!(line.find('\n'), Some(line.len() - 1), "one line, whole");
    serde_json::from_str::<Value>(&line).unwrap();
    line.trim_end().replace(",\"", ",\n\"")
}

#[test]
fn a_line_of_json_holds_everything() {
    insta::assert_snapshot!(json(&success(), Origin::Planned), @r#"
    {"request_id":"0000000000000abc-7",
    "server_request_id":"req_\"1\"",
    "run_index":2,
    "model":"smol",
    "scenario":"short_queries",
    "load":"rate=5/s, burstiness=1",
    "user_id":3,
    "turn":1,
    "vantage":"client",
    "warmup":false,
    "streamed":true,
    "attempts":1,
    "origin":"planned",
    "planned_unix_ns":1700000000000000000,
    "started_unix_ns":1700000000001000000,
    "sent_unix_ns":1700000000001100000,
    "headers_unix_ns":1700000000050000000,
    "first_token_unix_ns":1700000000051000000,
    "last_token_unix_ns":1700000000081000000,
    "finished_unix_ns":1700000000082000000,
    "ttft_ms":51.000000,
    "e2el_ms":82.000000,
    "tpot_ms":15.000000,
    "schedule_lag_ms":1.000000,
    "held_ms":null,
    "retrying_ms":null,
    "headers_lag_ms":0.030000,
    "finished_lag_ms":0.005000,
    "read_lag_ms_max":0.030000,
    "connection":{"resolve_ms":0.010000,
    "connect_ms":0.200000,
    "secure_ms":null},
    "max_tokens":64,
    "input_tokens":12,
    "cache_read_tokens":4,
    "cache_write_tokens":0,
    "output_tokens":3,
    "reasoning_tokens":null,
    "input_tokens_source":"server",
    "output_tokens_source":"tokenizer",
    "finish_reason":"stop",
    "error":null,
    "failed_attempts":[],
    "chunk_ns":[50000000,60000000,80000000],
    "chunk_lag_ns":[20000,20000,20000]}
    "#);
}

#[test]
fn a_failure_has_times_but_no_figures() {
    insta::assert_snapshot!(json(&failure(), Origin::Planned), @r#"
    {"request_id":"0000000000000abc-8",
    "server_request_id":null,
    "run_index":2,
    "model":"smol",
    "scenario":"short_queries",
    "load":"rate=5/s, burstiness=1",
    "user_id":3,
    "turn":1,
    "vantage":"client",
    "warmup":false,
    "streamed":true,
    "attempts":2,
    "origin":"planned",
    "planned_unix_ns":1700000000000000000,
    "started_unix_ns":1700000000001000000,
    "sent_unix_ns":1700000000001100000,
    "headers_unix_ns":1700000000040000000,
    "first_token_unix_ns":null,
    "last_token_unix_ns":null,
    "finished_unix_ns":1700000000040000000,
    "ttft_ms":null,
    "e2el_ms":null,
    "tpot_ms":null,
    "schedule_lag_ms":1.000000,
    "held_ms":0.500000,
    "retrying_ms":22.000000,
    "headers_lag_ms":0.000000,
    "finished_lag_ms":0.000000,
    "read_lag_ms_max":0.000000,
    "connection":null,
    "max_tokens":64,
    "input_tokens":12,
    "cache_read_tokens":0,
    "cache_write_tokens":0,
    "output_tokens":0,
    "reasoning_tokens":null,
    "input_tokens_source":"server",
    "output_tokens_source":"tokenizer",
    "finish_reason":null,
    "error":{"kind":"rate_limited",
    "status":429,
    "message":"slow down,\n\"please\"",
    "retry_after_ms":1500.000000,
    "retryable":true},
    "failed_attempts":[{"kind":"overloaded",
    "status":503,
    "failed_unix_ns":1700000000003000000,
    "pause_ms":20.000000}],
    "chunk_ns":[],
    "chunk_lag_ns":[]}
    "#);
}

#[test]
fn a_closed_loop_counts_from_the_start() {
    let line = json(&success(), Origin::Started);
    for expected in ["\"ttft_ms\":50.000000", "\"e2el_ms\":81.000000", "\"origin\":\"started\""] {
        assert!(line.contains(expected), "{expected} in {line}");
    }
}

#[test]
fn csv_quotes_what_needs_it() {
    let mut out = Vec::new();
    csv::append_header(&mut out);
    for exchange in [success(), failure()] {
        csv::append_line(&mut out, &Record::new(&exchange, &label(Origin::Planned), anchor()));
    }
    insta::assert_snapshot!(String::from_utf8(out).unwrap(), @r#"
    request_id,server_request_id,run_index,model,scenario,load,user_id,turn,vantage,warmup,streamed,attempts,origin,planned_unix_ns,started_unix_ns,sent_unix_ns,headers_unix_ns,first_token_unix_ns,last_token_unix_ns,finished_unix_ns,ttft_ms,e2el_ms,tpot_ms,schedule_lag_ms,held_ms,retrying_ms,headers_lag_ms,finished_lag_ms,read_lag_ms_max,connection_resolve_ms,connection_connect_ms,connection_secure_ms,max_tokens,input_tokens,cache_read_tokens,cache_write_tokens,output_tokens,reasoning_tokens,input_tokens_source,output_tokens_source,finish_reason,error_kind,error_status,error_message,error_retry_after_ms,error_retryable
    0000000000000abc-7,"req_""1""",2,smol,short_queries,"rate=5/s, burstiness=1",3,1,client,false,true,1,planned,1700000000000000000,1700000000001000000,1700000000001100000,1700000000050000000,1700000000051000000,1700000000081000000,1700000000082000000,51.000000,82.000000,15.000000,1.000000,,,0.030000,0.005000,0.030000,0.010000,0.200000,,64,12,4,0,3,,server,tokenizer,stop,,,,,
    0000000000000abc-8,,2,smol,short_queries,"rate=5/s, burstiness=1",3,1,client,false,true,2,planned,1700000000000000000,1700000000001000000,1700000000001100000,1700000000040000000,,,1700000000040000000,,,,1.000000,0.500000,22.000000,0.000000,0.000000,0.000000,,,,64,12,0,0,0,,server,tokenizer,,rate_limited,429,"slow down,
    ""please""",1500.000000,true
    "#);
}

/// The line's keys and values as Parquet names them: groups spread out, as columns of their own.
fn columns_of_line(exchange: &Exchange) -> Vec<(String, Value)> {
    let line: Value = serde_json::from_str(&json(exchange, Origin::Planned)).unwrap();
    let group = |name: &str, keys: &[&str]| -> Vec<(String, Value)> {
        keys.iter().map(|key| (format!("{name}_{key}"), line[name][key].clone())).collect()
    };
    let mut columns = Vec::new();
    for (key, value) in line.as_object().unwrap() {
        match key.as_str() {
            "connection" => columns.extend(group(key, &["resolve_ms", "connect_ms", "secure_ms"])),
            "error" => columns
                .extend(group(key, &["kind", "status", "message", "retry_after_ms", "retryable"])),
            // What they amount to has columns of its own.
            "failed_attempts" => {}
            _ => columns.push((key.clone(), value.clone())),
        }
    }
    columns.sort_by(|a, b| a.0.cmp(&b.0));
    columns
}

fn value(field: &Field) -> Value {
    match field {
        Field::Null => Value::Null,
        Field::Bool(flag) => (*flag).into(),
        Field::Long(count) => (*count).into(),
        Field::Double(ms) => (*ms).into(),
        Field::Str(text) => text.as_str().into(),
        Field::ListInternal(list) => list.elements().iter().map(value).collect(),
        other => panic!("no column has {other}"),
    }
}

#[test]
fn parquet_holds_what_the_line_holds() {
    let label = label(Origin::Planned);
    let exchanges = [success(), failure(), success()];
    let mut writer = ParquetWriter::new(Vec::new()).unwrap();
    for exchange in &exchanges {
        writer.write(&Record::new(exchange, &label, anchor())).unwrap();
    }

    let file = bytes::Bytes::from(writer.finish().unwrap());
    let rows = SerializedFileReader::new(file).unwrap();
    let rows: Vec<Row> = rows.get_row_iter(None).unwrap().map(Result::unwrap).collect();
    assert_eq!(rows.len(), exchanges.len());
    for (row, exchange) in rows.iter().zip(&exchanges) {
        let mut columns: Vec<(String, Value)> =
            row.get_column_iter().map(|(name, field)| (name.clone(), value(field))).collect();
        columns.sort_by(|a, b| a.0.cmp(&b.0));
        assert_eq!(columns, columns_of_line(exchange));
    }
}

#[test]
fn a_large_parquet_file_has_bounded_row_groups() {
    let (exchange, label) = (success(), label(Origin::Planned));
    let record = Record::new(&exchange, &label, anchor());
    let mut writer = ParquetWriter::new(Vec::new()).unwrap();
    for _ in 0..60_000 {
        writer.write(&record).unwrap();
    }
    let reader = SerializedFileReader::new(bytes::Bytes::from(writer.finish().unwrap())).unwrap();
    let rows: Vec<i64> =
        reader.metadata().row_groups().iter().map(|group| group.num_rows()).collect();
    assert_eq!(rows, [50_000, 10_000]);
}

/// The exchange with its times on the wall clock, as it is read back.
fn on_the_wall(mut exchange: Exchange) -> Exchange {
    let wall = |moment| Timestamp::from_nanos(anchor().unix_nanos(moment));
    let wall_arrival = |at: Arrival| Arrival { arrived: wall(at.arrived), read: wall(at.read) };
    let timeline = &mut exchange.timeline;
    timeline.planned = wall(timeline.planned);
    timeline.started = wall(timeline.started);
    timeline.sent = timeline.sent.map(wall);
    timeline.headers = timeline.headers.map(wall_arrival);
    timeline.finished = wall_arrival(timeline.finished);
    for attempt in &mut exchange.failed_attempts {
        attempt.failed = wall(attempt.failed);
    }
    exchange
}

fn line(exchange: &Exchange, label: &RunLabel, anchor: WallAnchor) -> Vec<u8> {
    let mut out = Vec::new();
    jsonl::append_line(&mut out, &Record::new(exchange, label, anchor));
    out
}

proptest! {
    #[test]
    fn lines_are_read_back_as_written(
        exchange in crate::generated::exchange(),
        label in crate::generated::label(),
    ) {
        let written = line(&exchange, &label, anchor());
        let read = read_jsonl(&written).unwrap();
        prop_assert_eq!(read.len(), 1);
        let StoredRequest { label: read_label, exchange: read_exchange } = &read[0];
        prop_assert_eq!(read_label, &label);
        prop_assert_eq!(read_exchange, &on_the_wall(exchange));
        prop_assert_eq!(line(read_exchange, read_label, STORED_ANCHOR), written);
    }
}

#[test]
fn what_is_no_record_is_named_by_its_line() {
    let good = String::from_utf8(line(&success(), &label(Origin::Planned), anchor())).unwrap();
    let check = |bad: &str, reason: &str| {
        let text = format!("{good}\n{bad}\n{good}");
        let error = read_jsonl(text.as_bytes()).unwrap_err();
        assert_eq!(error.line, 3);
        assert!(error.to_string().contains(reason), "{error}");
    };
    let changed = |from: &str, to: &str| {
        assert!(good.contains(from), "{from}");
        good.trim_end().replace(from, to)
    };
    check(&good[..good.len() / 2], "EOF while parsing");
    check("{}", "missing field `request_id` at column 2");
    check(&changed("abc-7", "abc7"), "is no request id");
    check(&changed("\"client\"", "\"moon\""), "unknown vantage `moon`");
    check(&changed("\"stop\"", "null"), "either a finish_reason or an error");
    check(&changed("\"stop\"", "\"bored\""), "unknown finish_reason `bored`");
    check(&changed("\"attempts\":1", "\"attempts\":2"), "one more than failed_attempts");
    check(&changed("[20000,20000,20000]", "[20000]"), "differ in length");
    check(&changed("\"headers_lag_ms\":0.030000", "\"headers_lag_ms\":null"), "go together");
    check(&changed("\"resolve_ms\":0.010000", "\"resolve_ms\":-1"), "is no duration");
    assert_eq!(read_jsonl(good.replace('{', "{\"new_key\":1,").as_bytes()).map(|r| r.len()), Ok(1));
}
