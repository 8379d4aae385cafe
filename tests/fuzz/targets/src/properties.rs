//! libFuzzer calls [`flume_fuzz::properties::run`].

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| flume_fuzz::properties::run(data));
