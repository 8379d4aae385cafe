//! libFuzzer calls [`flume_fuzz::adopt::run`].

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| flume_fuzz::adopt::run(data));
