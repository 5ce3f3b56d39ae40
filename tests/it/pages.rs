//! The pages of `src/docs`: their configurations make gates, and their words are plain.

use std::fs;
use std::path::{Path, PathBuf};

use toml::{Table, Value};
use toolgate::Config;
use toolgate::testing::{Algorithm, SigningKey};

const DOOR: &str = include_str!("../../src/docs/mod.rs");

/// A variable of every test run, long enough for a session key.
const VARIABLE: &str = "CARGO_PKG_DESCRIPTION";

/// A variable of every test run that is a URL.
const URL_VARIABLE: &str = "CARGO_PKG_REPOSITORY";

/// Words that plain technical English does without.
const BANNED_WORDS: [&str; 6] = [
    "whoever",
    "nobody",
    "somebody",
    "mend",
    "all the same",
    "stands by",
];

/// Subjects that are relative clauses. Questions may begin so.
const BANNED_BEGINNINGS: [&str; 3] = ["Who ", "Whoever ", "What is not "];

struct Page {
    name: String,
    text: String,
}

fn pages() -> Vec<Page> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/docs");
    let files = fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap().path());
    let pages = files.filter(|path| path.extension().is_some_and(|end| end == "md"));
    let mut pages: Vec<Page> = pages
        .map(|path| Page {
            name: path.file_stem().unwrap().to_str().unwrap().to_owned(),
            text: fs::read_to_string(&path).unwrap(),
        })
        .collect();
    pages.sort_by(|one, other| one.name.cmp(&other.name));
    pages
}

#[test]
fn every_page_is_declared() {
    let pages = pages();
    assert!(pages.len() >= 8, "the pages are not found any more");
    for Page { name, .. } in &pages {
        assert!(
            DOOR.contains(&format!("include_str!(\"{name}.md\")")),
            "{name}.md is not included"
        );
        assert!(
            DOOR.contains(&format!("\npub mod {name} {{}}\n")),
            "{name} is no module"
        );
    }
}

#[test]
fn every_configuration_on_a_page_makes_a_gate() {
    let kit = Kit::new("configurations");
    let mut seen = 0;
    for Page { name, text } in pages() {
        for block in blocks(&text, "toml").filter(|block| is_whole(block)) {
            kit.build(&name, block, toml::from_str(block));
            let all = with_what_is_commented_out(block);
            kit.build(&name, &all, toml::from_str(&all));
            seen += 1;
        }
    }
    assert!(seen >= 1, "the configurations are not found any more");
}

#[test]
fn every_fragment_of_a_configuration_makes_a_gate_with_the_least_that_is_needed() {
    let kit = Kit::new("fragments");
    let mut seen = 0;
    for Page { name, text } in pages() {
        for block in blocks(&text, "toml").filter(|block| !is_whole(block)) {
            let fragment: Result<Table, _> = toml::from_str(block);
            kit.build(&name, block, fragment.map(completed));
            seen += 1;
        }
    }
    assert!(seen >= 20, "the fragments are not found any more");
}

#[test]
fn no_page_sends_its_reader_back_to_the_readme() {
    for Page { name, text } in pages() {
        assert!(!text.to_lowercase().contains("readme"), "{name}");
    }
}

#[test]
fn every_page_is_linked_from_others_and_named_by_a_link() {
    let pages = pages();
    for Page { name, text } in &pages {
        for mention in ["`docs::", "`crate::docs::"] {
            let bare = text.match_indices(mention);
            let mut before = bare.map(|(position, _)| &text[..position]);
            assert!(before.all(|text| text.ends_with('[')), "{name}: {mention}");
        }
        let (link, anchored) = (
            format!("](crate::docs::{name})"),
            format!("](crate::docs::{name}#"),
        );
        let others = pages.iter().filter(|other| other.name != *name);
        let linking =
            others.filter(|page| page.text.contains(&link) || page.text.contains(&anchored));
        assert!(linking.count() >= 2, "{name}");
    }
}

/// rustdoc checks links to items, and not what is behind `#`.
#[test]
fn every_anchor_is_a_heading() {
    let pages = pages();
    let mut seen = 0;
    for Page { name, text } in &pages {
        for (place, anchor) in anchors(name, text) {
            let page = pages.iter().find(|page| page.name == place);
            let page = page.unwrap_or_else(|| panic!("{name}: no page {place}"));
            let mut headings = page.text.lines().filter_map(|line| {
                let deeper = line.strip_prefix('#')?;
                deeper.trim_start_matches('#').strip_prefix(' ')
            });
            assert!(
                headings.any(|heading| slug(heading) == anchor),
                "{name}: {place}#{anchor}"
            );
            seen += 1;
        }
    }
    assert!(seen >= 4, "the anchors are not found any more");
}

#[test]
fn the_pages_have_no_word_that_was_replaced() {
    for Page { name, text } in pages() {
        let prose = prose(&text);
        let words = format!(" {} ", words(&prose).join(" "));
        for banned in BANNED_WORDS {
            assert!(!words.contains(&format!(" {banned} ")), "{name}: {banned}");
        }
        for sentence in sentences(&prose) {
            let is_banned = BANNED_BEGINNINGS
                .iter()
                .any(|beginning| sentence.starts_with(beginning));
            assert!(!is_banned || sentence.ends_with('?'), "{name}: {sentence}");
        }
    }
}

fn is_whole(block: &str) -> bool {
    block.starts_with("resource = ")
}

/// The blocks of one language, without what is behind its name.
fn blocks<'t>(text: &'t str, language: &str) -> impl Iterator<Item = &'t str> {
    let fence = format!("\n```{language}\n");
    let pieces: Vec<&str> = text.split(fence.as_str()).skip(1).collect();
    pieces
        .into_iter()
        .map(|piece| piece.split_once("\n```").expect("a block ends").0)
}

/// A line that begins with `# ` is a setting that is no default. A file of keys and a URL of keys exclude each other.
fn with_what_is_commented_out(block: &str) -> String {
    let lines = block.lines().filter(|line| !line.contains("jwks_file"));
    lines
        .map(|line| line.strip_prefix("# ").unwrap_or(line).to_owned() + "\n")
        .collect()
}

/// The fragment, with the least that a configuration needs besides.
fn completed(mut fragment: Table) -> Table {
    let text = |text: &str| Value::from(text);
    fragment
        .entry("resource")
        .or_insert(text("https://mcp.example.com/mcp"));
    let issuers = match fragment.remove("issuers") {
        None => vec![Value::from(Table::new())],
        Some(Value::Array(issuers)) => issuers,
        Some(one) => vec![one],
    };
    let issuers = issuers.into_iter().map(|issuer| {
        let mut issuer: Table = issuer.try_into().expect("an issuer is a table");
        issuer
            .entry("issuer")
            .or_insert(text("https://auth.example.com"));
        Value::from(issuer)
    });
    fragment.insert("issuers".to_owned(), issuers.collect::<Vec<_>>().into());
    let scopes = fragment.entry("scopes").or_insert(Table::new().into());
    let scopes = scopes.as_table_mut().expect("scopes are a table");
    scopes.entry("unlisted").or_insert(text("deny"));
    fragment
}

/// The things that configurations refer to: variables that are set and files that are there.
struct Kit {
    folder: PathBuf,
}

impl Kit {
    fn new(name: &str) -> Self {
        let folder =
            std::env::temp_dir().join(format!("toolgate-pages-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let key = SigningKey::generate(Algorithm::Es256);
        fs::write(folder.join("key.pem"), key.to_pem()).unwrap();
        let set = serde_json::json!({ "keys": [key.jwk()] });
        fs::write(folder.join("keys.json"), set.to_string()).unwrap();
        fs::write(folder.join("keys.toml"), "keys = []").unwrap();
        fs::write(
            folder.join("secret"),
            "a secret of thirty-two bytes or more\n",
        )
        .unwrap();
        Self { folder }
    }

    fn build(&self, page: &str, shown: &str, config: Result<Table, toml::de::Error>) {
        let mut config = config.unwrap_or_else(|why| panic!("{page}: {why}\n{shown}"));
        self.supply(&mut config);
        let config: Result<Config, _> = config.try_into();
        let config = config.unwrap_or_else(|why| panic!("{page}: {why}\n{shown}"));
        if let Err(why) = config.into_builder().build() {
            panic!("{page}: {why}\n{shown}");
        }
    }

    fn supply(&self, table: &mut Table) {
        let file = |name: &str| Value::from(self.folder.join(name).to_str().unwrap());
        for (key, value) in table.iter_mut() {
            match value {
                Value::Table(place) if is_place(place, "env") => {
                    let variable = match key.as_str() {
                        "resource" | "issuer" => URL_VARIABLE,
                        _ => VARIABLE,
                    };
                    place.insert("env".to_owned(), variable.into());
                }
                Value::Table(place) if is_place(place, "file") => {
                    let name = if key == "private_key" {
                        "key.pem"
                    } else {
                        "secret"
                    };
                    place.insert("file".to_owned(), file(name));
                }
                Value::Table(inner) => self.supply(inner),
                Value::Array(list) => {
                    for item in list {
                        let mut one = Table::from_iter([(key.clone(), item.clone())]);
                        self.supply(&mut one);
                        *item = one.remove(key).expect("it stays");
                    }
                }
                Value::String(_) if key == "jwks_file" => *value = file("keys.json"),
                Value::String(_) if key == "file" => *value = file("keys.toml"),
                _ => {}
            }
        }
    }
}

impl Drop for Kit {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn is_place(table: &Table, key: &str) -> bool {
    table.len() == 1 && table.contains_key(key)
}

/// Each link to a heading: the page it is on, and its anchor.
fn anchors<'t>(page: &'t str, text: &'t str) -> impl Iterator<Item = (&'t str, &'t str)> {
    let links = text.split("](").skip(1);
    let targets = links.filter_map(|link| Some(link.split_once(')')?.0));
    targets.filter_map(move |target| {
        let (place, anchor) = target.split_once('#')?;
        match place.strip_prefix("crate::docs::") {
            Some(other) => Some((other, anchor)),
            None => place.is_empty().then_some((page, anchor)),
        }
    })
}

/// As rustdoc makes an anchor of a heading.
fn slug(heading: &str) -> String {
    let kept = heading.chars().filter_map(|character| match character {
        ' ' | '-' => Some('-'),
        '_' => Some('_'),
        _ if character.is_alphanumeric() => Some(character.to_ascii_lowercase()),
        _ => None,
    });
    kept.collect()
}

/// The text without its blocks of code and its headings: each paragraph and each row is one line.
fn prose(text: &str) -> String {
    let mut prose = String::new();
    for (position, part) in text.split("```").enumerate() {
        if position % 2 == 0 {
            prose.push_str(part);
        }
    }
    let mut lines = String::new();
    for line in prose.lines() {
        let line = line.trim();
        match line.chars().next() {
            None => lines.push('\n'),
            Some('#') => lines.push('\n'),
            Some('|' | '-' | '*') => {
                lines.push('\n');
                lines.push_str(line.trim_start_matches(['|', '-', '*', ' ']));
                lines.push(' ');
            }
            Some(_) => {
                lines.push_str(line);
                lines.push(' ');
            }
        }
    }
    lines
}

fn words(prose: &str) -> Vec<String> {
    let words = prose.split(|character: char| !character.is_alphanumeric());
    words
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
        .collect()
}

/// Each with the sign that ends it.
fn sentences(prose: &str) -> Vec<&str> {
    let lines = prose.lines();
    let sentences = lines.flat_map(|line| line.split_inclusive(['.', '?', '!', ':', '|']));
    sentences
        .map(|sentence| sentence.trim().trim_start_matches(['*', '(', ' ']))
        .collect()
}

#[test]
fn prose_is_split_into_words_and_sentences_without_code() {
    let text = "# Who heads\n\n**Who** asks. It is: Who runs?\n- Who lists.\n\n```rust\nWho codes\n```\nNo-one stands\nby it.\n";
    let prose = prose(text);
    assert_eq!(
        sentences(&prose)
            .into_iter()
            .filter(|sentence| !sentence.is_empty())
            .collect::<Vec<_>>(),
        [
            "Who** asks.",
            "It is:",
            "Who runs?",
            "Who lists.",
            "No-one stands by it."
        ],
    );
    assert!(words(&prose).join(" ").contains("stands by"));
}
