//! The wire formats seen from outside: one module a subject.

mod corpus;
mod failures;
mod recorded;
mod requests;
mod round_trip;
mod servers;
mod sse;
mod stream;
mod tools;
mod whole;
