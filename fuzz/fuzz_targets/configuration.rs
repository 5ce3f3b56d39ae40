//! Whatever an operator writes: a gate, or an error that says something.
#![no_main]

use libfuzzer_sys::fuzz_target;
use toolgate::Config;

fuzz_target!(|text: &str| {
    // The one field that reads a file has no place in a fuzzer.
    if text.contains("jwks_file") {
        return;
    }
    if let Ok(config) = toml::from_str::<Config>(text)
        && let Err(error) = config.into_builder().build()
    {
        assert!(!error.field().is_empty() && error.to_string().len() > error.field().len());
    }
});
