//! libFuzzer calls [`flume_fuzz::avro::run`].

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| flume_fuzz::avro::run(data));
