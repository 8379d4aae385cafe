//! libFuzzer calls [`flume_fuzz::answer::run`].

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| flume_fuzz::answer::run(data));
