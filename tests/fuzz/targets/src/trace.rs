//! libFuzzer calls [`flume_fuzz::trace::run`].

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| flume_fuzz::trace::run(data));
