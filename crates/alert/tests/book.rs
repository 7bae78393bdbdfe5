//! The book of alerts as a whole: from figures to messages, and over a restart.

use std::time::Duration;

use alert::{
    AlertBook, DeliveryError, Dimension, Grouping, Label, Matcher, Message, Moment, Phase, Reading,
    Route, Rule, RuleSettings, Saved, SavedError, SilenceError,
};
use domain::Seed;
use proptest::prelude::*;

const RULES: [&str; 2] = [
    "name = 'Slow'\nmetric = 'e2e_p95'\nabove = '2s'\nclear = '1500ms'\nwindow = '5m'\n\
     for = '2m'\ngroup_by = ['model']\nseverity = 'critical'\n",
    "name = 'Quiet'\nmetric = 'no_traffic'\nwindow = '10m'\nseverity = 'warning'\n",
];

fn rules() -> Vec<Rule> {
    let rule = |text| toml::from_str::<RuleSettings>(text).expect("its form").check();
    RULES.map(|text| rule(text).expect("it is sound")).into()
}

fn route(receiver: &str, by: &[Label], matchers: &[&str]) -> Route {
    Route {
        receiver: receiver.into(),
        matchers: matchers.iter().map(|text| Matcher::parse(text).expect("sound")).collect(),
        grouping: Grouping {
            by: by.iter().copied().collect(),
            wait: Duration::from_secs(60),
            interval: Duration::from_secs(120),
            repeat: Duration::from_secs(600),
        },
    }
}

fn routes() -> Vec<Route> {
    vec![route("ops", &[Label::Alertname], &[]), route("boss", &[], &["severity=critical"])]
}

fn book() -> AlertBook {
    AlertBook::new(rules(), routes(), Seed(3))
}

fn minute(minute: u64) -> Moment {
    Moment::from_unix_ms(1_767_225_600_000 + minute * 60_000)
}

/// The p95 latency of each model, and the rate of all requests.
type Figures<'a> = (&'a [(&'a str, f64)], f64);

fn evaluate(book: &mut AlertBook, (latencies, rate): Figures<'_>, now: Moment) {
    let latency = |&(model, value): &(&str, f64)| {
        let labels = [(Dimension::Model, model.to_owned())].into();
        Reading { labels, value }
    };
    let latencies = latencies.iter().map(latency).collect();
    let rate = vec![Reading { labels: [].into(), value: rate }];
    book.evaluate(vec![Ok(vec![latencies]), Ok(vec![rate])], now);
}

fn said(message: &Message) -> String {
    let notices = message.notices.iter().map(|notice| {
        let sign = if notice.resolved_at.is_some() { "over: " } else { "" };
        format!("{sign}{}", notice.summary)
    });
    format!("{}: {}", message.receiver, notices.collect::<Vec<_>>().join("; "))
}

/// What is due, told with success.
fn tell(book: &mut AlertBook, now: Moment) -> Vec<String> {
    let messages = book.due(now);
    for message in &messages {
        book.settle(&message.receiver, &message.group, Ok(()), now);
    }
    messages.iter().map(said).collect()
}

#[test]
fn figures_become_messages() {
    let mut book = book();
    let mut log = String::new();
    for (at, latencies, rate) in [
        (0, vec![("a", 3.0), ("b", 1.0)], 5.0),
        (1, vec![("a", 3.0), ("b", 4.0)], 5.0),
        (2, vec![("a", 3.5), ("b", 4.0)], 5.0),
        (3, vec![("a", 3.0), ("b", 4.0)], 5.0),
        (4, vec![("a", 1.8), ("b", 4.0)], 0.0),
        (5, vec![("a", 1.0), ("b", 4.0)], 0.0),
        (7, vec![("b", 1.0)], 5.0),
        (9, vec![], 5.0),
        (20, vec![], 5.0),
    ] {
        evaluate(&mut book, (&latencies, rate), minute(at));
        for line in tell(&mut book, minute(at)) {
            log.push_str(&format!("{at:>2} min  {line}\n"));
        }
    }
    insta::assert_snapshot!(log, @r"
     3 min  ops: p95 end-to-end latency of a is 3s, above 2s for 2m; p95 end-to-end latency of b is 4s, above 2s for 2m
     3 min  boss: p95 end-to-end latency of a is 3s, above 2s for 2m; p95 end-to-end latency of b is 4s, above 2s for 2m
     5 min  ops: no request ended within 10m
     5 min  ops: p95 end-to-end latency of b is 4s, above 2s for 2m; over: p95 end-to-end latency of a is 3s, above 2s for 2m
     5 min  boss: p95 end-to-end latency of b is 4s, above 2s for 2m; over: p95 end-to-end latency of a is 3s, above 2s for 2m
     7 min  ops: over: no request ended within 10m
     7 min  ops: over: p95 end-to-end latency of b is 4s, above 2s for 2m
     7 min  boss: over: p95 end-to-end latency of b is 4s, above 2s for 2m
    ");
}

#[test]
fn a_rule_that_cannot_be_evaluated_stands_still_and_says_why() {
    let mut book = book();
    let bad: Figures<'_> = (&[("a", 3.0)], 1.0);
    evaluate(&mut book, bad, minute(0));
    evaluate(&mut book, bad, minute(2));
    let failed = |what: &str| vec![Err(what.to_owned()), Ok(vec![vec![]])];
    book.evaluate(failed("the store is closed"), minute(3));
    assert_eq!(book.rules()[0].error.as_deref(), Some("the store is closed"));
    let phases = |book: &AlertBook| -> Vec<Phase> {
        book.list(minute(3)).iter().map(|listed| listed.alert.phase).collect()
    };
    // The other rule has no answer at all, which is what it watches for.
    let [first, second] = [2, 3].map(|at| Phase::Firing { fired_at: minute(at) });
    assert_eq!(phases(&book), [first, second]);
    evaluate(&mut book, bad, minute(4));
    assert_eq!(book.rules()[0].error, None);
}

#[test]
fn a_figure_that_is_no_number_is_no_figure() {
    let mut book = book();
    for (at, value) in [(0, f64::NAN), (2, f64::INFINITY), (4, f64::NAN)] {
        evaluate(&mut book, (&[("a", value)], 1.0), minute(at));
        assert_eq!(book.list(minute(at)), []);
    }
}

#[test]
fn silences_are_listed_with_their_alerts() {
    let mut book = book();
    let matcher = || vec![Matcher::parse("model=a").expect("sound")];
    let until = minute(60);
    let id = book.silence(matcher(), until, "known".into(), minute(0)).expect("sound");
    assert_eq!(
        book.silence(matcher(), minute(0), String::new(), minute(0)),
        Err(SilenceError::Over)
    );
    for at in 0..10 {
        evaluate(&mut book, (&[("a", 3.0)], 1.0), minute(at));
        assert_eq!(tell(&mut book, minute(at)), [""; 0]);
    }
    assert_eq!(book.list(minute(10))[0].silenced_until, Some(until));
    assert!(book.end_silence(id));
    assert_eq!(book.list(minute(10))[0].silenced_until, None);
    assert_eq!(tell(&mut book, minute(10)), [""; 0], "a first message waits");
    assert_eq!(tell(&mut book, minute(11)).len(), 2);
}

fn restarted(book: &AlertBook, rules: Vec<Rule>, routes: Vec<Route>) -> AlertBook {
    let text = serde_json::to_string(&book.save()).expect("it is plain");
    let saved: Saved = serde_json::from_str(&text).expect("it was written so");
    let mut restarted = AlertBook::new(rules, routes, Seed(3));
    restarted.restore(&saved).expect("it is sound");
    assert_eq!(restarted.save(), saved);
    restarted
}

#[test]
fn what_a_changed_configuration_no_longer_has_is_told_to_be_over() {
    let mut book = book();
    for at in 0..5 {
        evaluate(&mut book, (&[("a", 3.0)], 1.0), minute(at));
        let _ = tell(&mut book, minute(at));
    }
    let [slow, quiet] = rules().try_into().expect("two");
    let one = vec![route("ops", &[Label::Alertname], &[])];

    let saved = book.save();
    let mut without = AlertBook::new(vec![quiet], one, Seed(3));
    without.restore(&saved).expect("it is sound");
    assert_eq!(
        tell(&mut without, minute(6)),
        ["ops: over: p95 end-to-end latency of a is 3s, above 2s for 2m"]
    );

    // An alert about a group there no longer is cannot end by itself.
    let whole = RULES[0].replace("group_by = ['model']\n", "");
    let whole = toml::from_str::<RuleSettings>(&whole).expect("its form").check();
    let mut ungrouped = AlertBook::new(vec![whole.expect("it is sound")], vec![], Seed(3));
    ungrouped.restore(&saved).expect("it is sound");
    assert_eq!(ungrouped.list(minute(6)), []);

    // Grouped otherwise, nothing is told anew, let alone as over.
    let regrouped = vec![route("ops", &[Label::Severity], &[])];
    let mut book = AlertBook::new(vec![slow], regrouped, Seed(3));
    book.restore(&saved).expect("it is sound");
    book.evaluate(
        vec![Ok(vec![vec![Reading {
            labels: [(Dimension::Model, "a".to_owned())].into(),
            value: 3.0,
        }]])],
        minute(6),
    );
    assert_eq!(tell(&mut book, minute(6)), [""; 0]);
}

#[test]
fn a_state_of_another_form_is_refused_and_changes_nothing() {
    let mut book = book();
    evaluate(&mut book, (&[("a", 3.0)], 1.0), minute(0));
    let before = book.save();
    let text = serde_json::to_string(&before).expect("it is plain");
    let mut check = |from: &str, to: &str, expected: &str| {
        assert!(text.contains(from), "{text}");
        let saved = serde_json::from_str(&text.replace(from, to)).expect("its form");
        let error: SavedError = book.restore(&saved).expect_err("it is not sound");
        assert!(error.to_string().contains(expected), "{error}");
        assert_eq!(book.save(), before);
    };
    check("\"version\":1", "\"version\":2", "which a newer Prony wrote");
    check("\"model\":", "\"modle\":", "did you mean `model`?");
}

proptest! {
    /// A book that is restarted between all steps does what one that never stops does.
    #[test]
    fn a_restart_changes_nothing(
        steps in prop::collection::vec((
            prop::option::of(0.0..4.0_f64), prop::option::of(0.0..4.0_f64), 0..2_u8, any::<bool>(),
        ), 1..40),
    ) {
        let mut steady = book();
        let mut interrupted = book();
        for (at, (a, b, rate, fails)) in (0..).zip(steps) {
            let latencies: Vec<(&str, f64)> =
                [("a", a), ("b", b)].into_iter().filter_map(|(m, v)| Some((m, v?))).collect();
            interrupted = restarted(&interrupted, rules(), routes());
            let mut told = Vec::new();
            for book in [&mut steady, &mut interrupted] {
                evaluate(book, (&latencies, f64::from(rate)), minute(at));
                let messages = book.due(minute(at));
                for message in &messages {
                    let result = if fails { Err(DeliveryError::new("down")) } else { Ok(()) };
                    book.settle(&message.receiver, &message.group, result, minute(at));
                }
                told.push(messages);
            }
            prop_assert_eq!(&told[0], &told[1], "minute {}", at);
        }
    }
}
