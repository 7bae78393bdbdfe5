//! Alert rules evaluated inside Prony, without Prometheus, and whom to tell of what they find.
//!
//! Pure, with the time handed in: [`mod@rule`] says what is watched, in the words of [`label`],
//! [`span`], [`mod@unit`] and [`summary`], and [`settings`] reads it. Whoever has the figures answers a
//! rule's [questions](question), and [`state`] makes alerts of the answers. [`silence`] hides some of
//! them, [`group`] says who is told of which and when, and [`book`] is all of that together, which
//! [`saved`] carries over a restart. [`promql`] and [`export`] are the same rules for Prometheus.
//!
//! With I/O: [`notify`] delivers a message to a [`receiver`], [`dispatch`] to many at once, and
//! [`watch`] does it all for ever. Read the modules in this order.

pub mod label;
pub mod moment;
pub mod span;
pub mod unit;

pub mod question;
pub mod rule;
pub mod settings;
pub mod summary;

pub mod state;

pub mod group;
pub mod matcher;
pub mod notice;
pub mod silence;

pub mod book;
pub mod saved;

pub mod export;
pub mod promql;

pub mod notify;
pub mod receiver;

pub mod dispatch;
pub mod watch;

pub use book::{AlertBook, Listed, Watched, fingerprint};
pub use dispatch::{Dispatch, Outcome};
pub use group::{FiringAlert, Group, Grouping, Roster, Route};
pub use label::{Dimension, Label, Labels, Severity};
pub use matcher::{AlertLabels, Matcher};
pub use moment::Moment;
pub use notice::{DeliveryError, Message, Notice};
pub use question::{Latency, Quantity, Question, Reading};
pub use receiver::{Receiver, ReceiverSettings, SecretPlace, SecretSetting};
pub use rule::{Comparison, Judgement, Metric, Rule};
pub use saved::{Saved, SavedError};
pub use settings::{RuleSettings, SettingError};
pub use silence::{Silence, SilenceError, Silences};
pub use state::{Alert, Phase, RuleState};
pub use unit::Unit;
pub use watch::{SharedBook, Watch};
