//! libFuzzer calls [`flume_fuzz::keystore::run`].

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| flume_fuzz::keystore::run(data));
