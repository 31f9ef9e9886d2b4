#![no_main]
libfuzzer_sys::fuzz_target!(|input: &[u8]| portvakt_fuzz::run("requirements", input));
