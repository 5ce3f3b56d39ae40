//! Any configuration: it makes a gate, or an error with a message.
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
        let problems = error.problems();
        assert!(!problems.is_empty());
        assert!(
            problems
                .iter()
                .all(|problem| !problem.field().is_empty() && !problem.fix().is_empty())
        );
    }
});
