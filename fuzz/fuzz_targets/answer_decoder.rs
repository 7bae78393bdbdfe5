//! See [`prony_fuzz::answer_decoder`].

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| prony_fuzz::answer_decoder(input));
