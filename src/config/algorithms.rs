//! Lists of signature algorithms, by their names.

use crate::config_error::{ConfigProblem, Flawed, Problems, all};
use crate::jose::{Algorithm, Algorithms};

pub(super) fn algorithms_named(
    field: &str,
    names: &[String],
    problems: &mut Problems,
) -> Result<Algorithms, Flawed> {
    let known = || Algorithm::ALL.map(Algorithm::name).join(", ");
    if names.is_empty() {
        let fix = format!("name at least one of {}", known());
        return Err(problems.add(ConfigProblem::missing(field, fix).showing("[]")));
    }
    let named = |name: &String| {
        Algorithm::named(name).ok_or_else(|| {
            let fix = format!("use asymmetric signatures only: {}", known());
            ConfigProblem::not_allowed(field, fix).showing(name)
        })
    };
    let algorithms: Vec<_> = all(names.iter().map(|name| problems.keep(named(name))))?;
    Ok(algorithms.into_iter().collect())
}
