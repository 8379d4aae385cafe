//! libFuzzer calls [`flume_fuzz::module::run`].

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| flume_fuzz::module::run(data));
