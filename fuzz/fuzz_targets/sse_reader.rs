//! See [`prony_fuzz::sse_reader`].

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| prony_fuzz::sse_reader(input));
