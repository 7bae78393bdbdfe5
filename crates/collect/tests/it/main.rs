//! The crate from the outside: records in, what they amount to out.

mod collector;
mod fixture;
mod live;
