//! Reads a configuration without printing a secret.

use serde::Deserialize;
use serde::de::IntoDeserializer;
use toml::de::{DeTable, Error};
use toolgate::Config;

/// Reads a configuration: the whole file, or one table of it. An error says what is wrong and where, but does not show
/// the line, as toml's own `Display` does: a secret may be on it.
pub(crate) fn read(text: &str, table: Option<&str>) -> Result<Config, String> {
    let config = match table {
        None => toml::from_str(text),
        Some(name) => match DeTable::parse(text) {
            Ok(mut file) => {
                let Some(table) = file.get_mut().remove(name) else {
                    return Err(format!("the file has no table [{name}]"));
                };
                Config::deserialize(table.into_deserializer())
            }
            Err(why) => Err(why),
        },
    };
    config.map_err(|why: Error| {
        let before = why
            .span()
            .and_then(|span| text.get(..span.start))
            .unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        let column = before
            .rsplit('\n')
            .next()
            .unwrap_or_default()
            .chars()
            .count()
            + 1;
        let hint = table.is_none().then(|| table_meant(text, why.message()));
        let hint = hint.flatten().unwrap_or_default();
        format!("line {line}, column {column}: {}{hint}", why.message())
    })
}

/// A hint for the file of an application, in which the configuration is in one table.
fn table_meant(text: &str, message: &str) -> Option<String> {
    let name = message.strip_prefix("unknown field `")?.split('`').next()?;
    let file = DeTable::parse(text).ok()?;
    let table = file.get_ref().get(name)?.get_ref().as_table()?;
    let is_configuration = table.contains_key("scopes");
    is_configuration.then(|| format!(" (to read the table [{name}], add --table {name})"))
}
