//! The crate from the outside: exchanges in, figures and verdicts out.

mod golden;
mod rollup;
mod run;
mod sketch;
