//! A slip in a configuration never shows the secret beside it.

use std::process::Output;

use toolgate::Config;

use crate::examples::{File, RESOURCE, example};

/// The secret that no output may contain: as text, and as the number and the date that a typo may make of it.
const SECRET: &str = "s3cret-of-our-client";
const NUMBER: &str = "314159265358979";
const DATE: &str = "1987-06-05";
const KEY: &str = "a key, of more than 32 random bytes";

/// A configuration with these tables behind it.
fn file_with(tables: &str) -> String {
    format!(
        "resource = {RESOURCE:?}\n[scopes]\nunlisted = \"allow\"\n[[issuers]]\nissuer = \"http://127.0.0.1:4000\"\n{tables}\n"
    )
}

/// Every wrong value that may have a secret in it, for a field that takes one.
fn wrong_secrets() -> Vec<String> {
    let mut wrong: Vec<String> = [
        "[\"{s}\"]",
        "[[\"{s}\"]]",
        "[{ env = \"{s}\" }]",
        "{n}",
        "-{n}",
        "{n}.5",
        "{d}",
        "{d}T01:02:03Z",
        "true",
        "{}",
        "{ \"{s}\" = 1 }",
        "{ \"{s}\" = \"env\" }",
        "{ text = \"{s}\" }",
        "{ value = \"{s}\" }",
        "{ env = [\"{s}\"] }",
        "{ env = {n} }",
        "{ env = { name = \"{s}\" } }",
        "{ env = {d} }",
        "{ env = {n}.5 }",
        "{ env = \"A\", \"{s}\" = 1 }",
        "{ env = \"A\", file = \"{s}\" }",
        "{ env = \"A\", env = \"{s}\" }",
        "{ file = true, x = \"{s}\" }",
        "{ file = [\"{s}\"] }",
        "{ file = {n} }",
        "{ file = { path = \"{s}\" } }",
        "{ file = \"/nowhere\", text = \"{s}\" }",
    ]
    .map(str::to_owned)
    .to_vec();
    // Syntax errors on the line of the secret.
    for broken in [
        "{s}",
        "\"{s}",
        "'{s}",
        "\"{s}\" x",
        "\"{s}\" \"x\"",
        "\"{s}\\q\"",
        "\"\\x{s}\"",
        "\"\"\"{s}",
        "{ env = \"{s}\"",
        "{ env = {s} }",
        "{ env \"{s}\" }",
        "{ \"{s}\" }",
        "[\"{s}\"",
        "= \"{s}\"",
        "\"{s}\" # \u{7}",
        "env:{s}",
        "$({s})",
    ] {
        wrong.push(broken.to_owned());
    }
    wrong
}

/// Every slip: a whole file each.
fn slips() -> Vec<String> {
    let mut tables = Vec::new();
    let introspection = "[issuers.introspection]\nclient_id = \"rs\"\n";
    for wrong in wrong_secrets() {
        tables.push(format!("{introspection}client_secret = {wrong}"));
        tables.push(format!(
            "{introspection}auth = \"private_key_jwt\"\nprivate_key = {wrong}"
        ));
        tables.push(format!("[sessions]\nkeys = [{wrong}]"));
        tables.push(format!("[sessions]\nkeys = [\"{KEY}\", {wrong}]"));
        // A table in its place, and a table in its table's place.
        // The name of an unknown field is shown: it may be a slip.
        if !wrong.contains("\"{s}\" = ") {
            tables.push(format!("issuers.introspection = {wrong}"));
            tables.push(format!("introspection = {wrong}"));
        }
        tables.push(format!("introspection = [{{ client_secret = {wrong} }}]"));
        tables.push(format!(
            "{introspection}client_secret = \"{{s}}\"\nclient_id = {wrong}"
        ));
        // Fields beside the secret, that may be given it by mistake.
        for field in [
            "auth",
            "when",
            "key_id",
            "algorithm",
            "token_prefix",
            "endpoint",
            "assertion_audience",
        ] {
            tables.push(format!("{introspection}{field} = {wrong}"));
        }
    }
    for wrong in wrong_secrets()
        .into_iter()
        .filter(|wrong| !wrong.starts_with('['))
    {
        tables.push(format!("[sessions]\nkeys = {wrong}"));
    }
    for field in ["client_secret", "private_key", "auth", "when"] {
        tables.push(format!(
            "{introspection}[issuers.introspection.{field}]\n\"{{s}}\" = 1"
        ));
        tables.push(format!(
            "{introspection}[issuers.introspection.{field}]\nenv = [\"{{s}}\"]"
        ));
        tables.push(format!(
            "{introspection}[[issuers.introspection.{field}]]\nenv = \"{{s}}\""
        ));
    }
    for line in [
        "[sessions]\nkeys = \"{s}\"",
        "[sessions]\nkeys = {n}",
        "[sessions]\nkeys = {d}",
        "[sessions]\nkeys = true",
        "[sessions]\nkeys = { a = \"{s}\" }",
        "[sessions]\nkey = \"{s}\"",
        "[sessions]\nbinding = \"{s}\"",
        "[sessions]\nresumption = \"{s}\"",
        "[sessions]\nstreams = \"{s}\"",
        "[sessions]\nstreams = [\"{s}\"]",
        "[sessions]\ngrace_seconds = \"{s}\"",
        "[sessions]\nbinding = {n}",
        "[sessions.keys]\n\"{s}\" = 1",
        "[[sessions.keys]]\n\"{s}\" = 1",
        "[[sessions]]\nkeys = [\"{s}\"]",
        "[issuers.introspection]\nclient_secert = \"{s}\"",
        "[issuers.introspection]\nsecret = \"{s}\"",
        "[issuers.introspection]\nclient_secret = \"{s}\"\nclient_secret = \"{s}\"",
        "[issuers.introspection]\nauth = \"{s}\"",
        "[issuers.introspection]\nauth = \"basic:{s}\"",
        "[issuers.introspection]\nwhen = \"{s}\"",
        "[[issuers.introspection]]\nclient_secret = \"{s}\"",
        "client_secret = \"{s}\"",
    ] {
        tables.push(line.to_owned());
    }
    let mut files: Vec<String> = tables
        .iter()
        .map(|tables| file_with(&put_in(tables)))
        .collect();
    for top in [
        "sessions = \"{s}\"",
        "sessions = [\"{s}\"]",
        "sessions = {n}",
        "sessions = {d}",
        "sessions = true",
    ] {
        files.push(put_in(top) + "\n" + &file_with(""));
    }
    files
}

fn put_in(text: &str) -> String {
    text.replace("{s}", SECRET)
        .replace("{n}", NUMBER)
        .replace("{d}", DATE)
}

#[track_caller]
fn assert_clean(said: &str, file: &str) {
    for secret in [SECRET, NUMBER, DATE, KEY, "314159"] {
        assert!(
            !said.contains(secret),
            "{secret} is shown by\n{said}\nof\n{file}"
        );
    }
}

#[test]
fn no_error_of_a_format_has_a_secret_in_it() {
    for file in slips() {
        let read: Result<Config, toml::de::Error> = toml::from_str(&file);
        match read {
            Err(why) => assert_clean(why.message(), &file),
            Ok(config) => {
                assert_clean(&format!("{config:?}"), &file);
                if let Err(why) = config.into_builder().build() {
                    assert_clean(&format!("{why} {why:?}"), &file);
                }
            }
        }
        // Another format with the same values: its errors are serde's alone.
        let Ok(table) = file.parse::<toml::Table>() else {
            continue;
        };
        let json = serde_json::to_string(&table).expect("TOML is JSON");
        if let Err(why) = serde_json::from_str::<Config>(&json) {
            assert_clean(&format!("{why} {why:?}"), &json);
        }
        if let Err(why) = serde_json::to_value(&table).and_then(serde_json::from_value::<Config>) {
            assert_clean(&format!("{why} {why:?}"), &json);
        }
    }
}

#[test]
fn a_mistake_is_reported_with_its_field_or_the_expected_value() {
    for (tables, complaint) in [
        (
            "[issuers.introspection]\nclient_secert = \"{s}\"",
            "client_secert",
        ),
        ("[sessions]\nkeys = \"{s}\"", "a list"),
        (
            "[issuers.introspection]\nclient_secret = [\"{s}\"]",
            "{ env = \"NAME\" }",
        ),
        ("[issuers.introspection]\nauth = \"{s}\"", "private_key_jwt"),
        ("[issuers.introspection]\nwhen = \"{s}\"", "opaque"),
        ("[sessions]\nbinding = \"{s}\"", "owner"),
        ("introspection = \"{s}\"", "a table"),
    ] {
        let file = file_with(&put_in(tables));
        let why = toml::from_str::<Config>(&file).expect_err(tables);
        assert!(why.message().contains(complaint), "{tables}: {why}");
    }
}

#[test]
fn a_password_in_a_url_is_not_shown() {
    let introspection = "[issuers.introspection]\nclient_id = \"rs\"\nclient_secret = \"x\"\n";
    for url in [
        "https://rs:{s}@as.example/x",
        "https://rs:{s}/?#@as.example",
        "https:/rs:{s}@as.example",
        "rs:{s}@x",
    ] {
        for tables in [
            format!("jwks_uri = \"{url}\""),
            format!("advertise = \"{url}\""),
            format!("{introspection}endpoint = \"{url}\""),
        ] {
            let file = file_with(&put_in(&tables));
            let config: Config = toml::from_str(&file).expect(&file);
            let why = config.into_builder().build().expect_err(&file);
            assert_clean(&format!("{why} {why:?}"), &file);
            assert!(why.to_string().contains("…@"), "{why}");
        }
    }
}

async fn output(name: &str, arguments: &[&str]) -> Output {
    example(name)
        .args(arguments)
        .env("RUST_LOG", "trace")
        .output()
        .await
        .expect("it starts")
}

#[tokio::test]
async fn the_examples_print_the_position_of_a_mistake_and_nothing_of_the_line() {
    for (number, tables) in [
        "[issuers.introspection]\nclient_id = \"rs\"\nclient_secret = [\"{s}\"]",
        "[issuers.introspection]\nclient_id = \"rs\"\nclient_secret = \"{s}",
        "[issuers.introspection]\nclient_secert = \"{s}\"",
        "[sessions]\nkeys = \"{s}\"",
        "[sessions]\nkeys = [{s}]",
    ]
    .into_iter()
    .enumerate()
    {
        let text = file_with(&put_in(tables));
        let file = File::new(&format!("secret-{number}"), &text);
        for (name, arguments) in [
            ("serve", vec![file.path()]),
            ("explain", vec![file.path(), "--call", "add"]),
        ] {
            let output = output(name, &arguments).await;
            assert!(!output.status.success());
            let said = [output.stdout, output.stderr].concat();
            let said = String::from_utf8(said).unwrap();
            assert_clean(&said, &text);
            assert!(said.contains("line "), "{said}");
            assert!(said.contains(file.path()), "{said}");
        }
    }
}

#[tokio::test]
async fn a_reload_that_fails_prints_nothing_of_the_line() {
    let good = crate::examples::config(RESOURCE, "issuer = \"http://127.0.0.1:4000\"");
    let file = File::new("secret-reload", &good);
    let mut command = example("serve");
    command
        .args([file.path(), "--listen", "127.0.0.1:0"])
        .env("RUST_LOG", "off");
    command
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped());
    let mut serve = command.spawn().expect("it starts");
    use tokio::io::{AsyncBufReadExt, BufReader};
    let mut lines = BufReader::new(serve.stdout.take().unwrap()).lines();
    let mut complaints = BufReader::new(serve.stderr.take().unwrap()).lines();
    lines.next_line().await.unwrap().expect("it listens");
    std::fs::write(
        file.path(),
        put_in(&format!("{good}\n[sessions]\nkeys = [\"{{s}}\" {{n}}]")),
    )
    .unwrap();
    let complaint = complaints.next_line().await.unwrap().expect("it complains");
    assert!(complaint.contains("is not reloaded"), "{complaint}");
    std::fs::write(file.path(), &good).unwrap();
    lines.next_line().await.unwrap().expect("it reloads");
    serve.kill().await.unwrap();
    let mut said = complaint;
    while let Some(line) = complaints.next_line().await.unwrap() {
        said += &line;
    }
    assert_clean(&said, "the reloaded file");
}
