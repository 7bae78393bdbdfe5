//! The durable store: every request's record, the runs they belong to, and what they add up to.
//!
//! A record goes through the [`log`], which makes it survive a crash within moments, and from there
//! into partitions: Parquet files of an hour each. [`folder`] says what lies where. Read the modules
//! in this order.

mod folder;

mod error;

mod provenance;

pub mod bytes;

mod codec;

mod log;

mod catalog;

mod content;

mod rows;

mod filter;

mod partition;

mod fault;

mod maintenance;

mod reader;

mod query;

mod store;

pub use bytes::Malformed;
pub use catalog::{Document, RollupPoint, RollupRange, RollupRow, Run, RunStatus, SampleBlock};
pub use codec::{decode, encode};
pub use error::DurableError;
pub use filter::RecordFilter;
pub use log::Ticket;
pub use log::replay::Damage;
pub use maintenance::{Maintained, Retention};
pub use provenance::{Entry, Provenance, StoredRecord};

pub use crate::STORED_ANCHOR;
pub use query::{Answer, AnswerFormat, QueryLimits};
pub use reader::Reader;
pub use store::{Recovery, Store, StoreSettings};
