//! The program as its users meet it: run as a process, in a clean environment, against servers on
//! this machine.

mod desk;
mod fake;

mod help;
mod results;
mod workloads;
mod settings;
mod configuration;
mod alerts;
mod bad_input;
mod canaries;
mod failures;
mod secrets;
mod protocols;
mod limits;
mod signals;
mod accuracy;
mod scripts;
mod serving;
mod keeping;
mod faults;
mod monitoring;
mod beside;
