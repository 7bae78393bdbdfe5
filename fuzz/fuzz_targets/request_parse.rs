//! See [`prony_fuzz::request_parse`].

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| prony_fuzz::request_parse(input));
