//! The workspace's Rust files, and just enough of a lexer to read them: what is code, and what is comment or text.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// The root of the workspace.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// One file.
pub struct Source {
    /// From the root, with `/`.
    pub path: String,
    /// As it stands.
    pub text: String,
    /// The same length and lines, comments and the insides of strings blanked, test modules too.
    pub code: String,
    /// As `code`, but with the insides of strings.
    pub code_and_strings: String,
    /// The modules that are declared for tests only.
    test_files: Vec<String>,
}

impl Source {
    fn read(path: &Path) -> Self {
        let text = fs::read_to_string(path).unwrap();
        let (code, code_and_strings) = strip(&text);
        let tests = test_modules(&code);
        let blank = |mut text: String| {
            for (from, to) in &tests {
                let blanked: String = text[*from..*to].chars().map(|c| if c == '\n' { '\n' } else { ' ' }).collect();
                text.replace_range(*from..*to, &pad(&blanked, to - from));
            }
            text
        };
        let test_files = tests
            .iter()
            .filter_map(|(from, to)| {
                code[*from..*to]
                    .trim_end()
                    .strip_suffix(';')?
                    .rsplit_once("mod ")
                    .map(|(_, name)| name.trim().to_owned())
            })
            .collect();
        let path = path.strip_prefix(root()).unwrap().to_string_lossy().replace('\\', "/");
        Self { path, code: blank(code), code_and_strings: blank(code_and_strings), text, test_files }
    }
    /// The file's name without `.rs`.
    pub fn stem(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or_default().trim_end_matches(".rs")
    }
    /// The line of a byte offset, from 1.
    pub fn line(&self, offset: usize) -> usize {
        self.code[..offset].matches('\n').count() + 1
    }
    /// Whether it holds tests only.
    pub fn is_test(&self) -> bool {
        self.path.contains("/tests/") || self.stem() == "tests" || self.stem().ends_with("_tests")
    }
}

/// Blanked text of exactly `bytes` bytes: a wide character becomes one blank, the rest is filled up.
fn pad(text: &str, bytes: usize) -> String {
    let mut text = text.to_owned();
    while text.len() < bytes {
        text.push(' ');
    }
    text
}

/// Every Rust file below these folders of the workspace, tests left out.
pub fn sources(folders: &[&str]) -> Vec<Source> {
    fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
        let Ok(entries) = fs::read_dir(folder) else { return };
        for entry in entries.flatten() {
            let path = entry.path();
            if path.is_dir() {
                if path.file_name().is_some_and(|n| n != "target" && n != "tests" && n != "node_modules") {
                    walk(&path, found);
                }
            } else if path.extension().is_some_and(|e| e == "rs") {
                found.push(path);
            }
        }
    }
    let mut found = vec![];
    for folder in folders {
        walk(&root().join(folder), &mut found);
    }
    found.sort();
    let mut all: Vec<Source> = found.iter().map(|p| Source::read(p)).filter(|s| !s.is_test()).collect();
    // `#[cfg(test)] mod samples;` makes `samples.rs` a test as well.
    let for_tests: Vec<String> = all
        .iter()
        .flat_map(|s| {
            let folder = s.path.rsplit_once('/').map_or("", |(f, _)| f);
            s.test_files.iter().map(move |name| format!("{folder}/{name}.rs"))
        })
        .collect();
    all.retain(|s| !for_tests.contains(&s.path));
    assert!(!all.is_empty(), "no sources below {folders:?}");
    all
}

/// (code alone, code with strings), both as long as the text.
fn strip(text: &str) -> (String, String) {
    let bytes = text.as_bytes();
    let (mut code, mut both) = (bytes.to_vec(), bytes.to_vec());
    let blank = |target: &mut Vec<u8>, from: usize, to: usize| {
        for b in &mut target[from..to] {
            if *b != b'\n' {
                *b = b' ';
            }
        }
    };
    let mut at = 0;
    while at < bytes.len() {
        let rest = &bytes[at..];
        if rest.starts_with(b"//") {
            let end = rest.iter().position(|b| *b == b'\n').map_or(bytes.len(), |n| at + n);
            blank(&mut code, at, end);
            blank(&mut both, at, end);
            at = end;
        } else if rest.starts_with(b"/*") {
            let end = end_of_block_comment(bytes, at);
            blank(&mut code, at, end);
            blank(&mut both, at, end);
            at = end;
        } else if let Some(end) = end_of_string(bytes, at) {
            blank(&mut code, at, end);
            at = end;
        } else if bytes[at].is_ascii_alphanumeric() || bytes[at] == b'_' {
            // An identifier is taken whole, so that its last letter is not read as the prefix of a raw string.
            while at < bytes.len() && (bytes[at].is_ascii_alphanumeric() || bytes[at] == b'_') {
                at += 1;
            }
        } else {
            at += 1;
        }
    }
    let text = |bytes: Vec<u8>| {
        String::from_utf8(bytes).unwrap_or_else(|e| String::from_utf8_lossy(e.as_bytes()).into_owned())
    };
    (text(code), text(both))
}

fn end_of_block_comment(bytes: &[u8], mut at: usize) -> usize {
    let mut depth = 0;
    while at < bytes.len() {
        if bytes[at..].starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if bytes[at..].starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    at
}

/// The end of a string or character literal that begins here.
fn end_of_string(bytes: &[u8], at: usize) -> Option<usize> {
    let rest = &bytes[at..];
    let prefix = [&b"br"[..], b"cr", b"r", b"b", b"c", b""].into_iter().find(|p| {
        rest.starts_with(p) && matches!(rest.get(p.len()), Some(b'"'))
            || rest.starts_with(p) && p.ends_with(b"r") && matches!(rest.get(p.len()), Some(b'#'))
    });
    if let Some(prefix) = prefix {
        let mut hashes = 0;
        while rest.get(prefix.len() + hashes) == Some(&b'#') {
            hashes += 1;
        }
        let mut end = prefix.len() + hashes;
        if rest.get(end) != Some(&b'"') {
            // r#identifier
            return None;
        }
        end += 1;
        let close: Vec<u8> = std::iter::once(b'"').chain(std::iter::repeat_n(b'#', hashes)).collect();
        let raw = prefix.ends_with(b"r");
        while end < rest.len() {
            if !raw && rest[end] == b'\\' {
                end += 2;
            } else if rest[end..].starts_with(&close) {
                return Some(at + end + close.len());
            } else {
                end += 1;
            }
        }
        return Some(bytes.len());
    }
    let quote = usize::from(rest.starts_with(b"b'"));
    if rest.get(quote) != Some(&b'\'') {
        return None;
    }
    // A character, or a lifetime: a lifetime has no closing quote after one character.
    match rest.get(quote + 1)? {
        b'\\' => rest[quote + 3..].iter().position(|b| *b == b'\'').map(|n| at + quote + 3 + n + 1),
        _ => {
            let one = std::str::from_utf8(&rest[quote + 1..(quote + 5).min(rest.len())]).map_or_else(
                |e| {
                    std::str::from_utf8(&rest[quote + 1..quote + 1 + e.valid_up_to()])
                        .ok()
                        .and_then(|s| s.chars().next())
                },
                |s| s.chars().next(),
            )?;
            let close = quote + 1 + one.len_utf8();
            (rest.get(close) == Some(&b'\'')).then_some(at + close + 1)
        }
    }
}

/// The ranges of `#[cfg(test)]` items.
fn test_modules(code: &str) -> Vec<(usize, usize)> {
    let mut ranges = vec![];
    let mut from = 0;
    while let Some(found) = code[from..].find("#[cfg(test)]") {
        let start = from + found;
        let end = end_of_item(code, start);
        ranges.push((start, end));
        from = end;
    }
    ranges
}

/// The end of the item that begins at `start`: its closing brace, or its semicolon.
fn end_of_item(code: &str, start: usize) -> usize {
    for (at, c) in code[start..].char_indices() {
        match c {
            '{' => return end_of_braces(code, start + at),
            ';' => return start + at + 1,
            _ => {}
        }
    }
    code.len()
}

/// One past the brace that closes the one at `open`.
pub fn end_of_braces(code: &str, open: usize) -> usize {
    let mut depth = 0usize;
    for (at, c) in code[open..].char_indices() {
        match c {
            '{' => depth += 1,
            '}' => {
                depth -= 1;
                if depth == 0 {
                    return open + at + 1;
                }
            }
            _ => {}
        }
    }
    code.len()
}

/// The identifiers of a piece of code with their offsets.
pub fn words(code: &str) -> impl Iterator<Item = (usize, &str)> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let mut at = 0;
    std::iter::from_fn(move || {
        let start = at + code[at..].find(is_word)?;
        let end = code[start..].find(|c| !is_word(c)).map_or(code.len(), |n| start + n);
        at = end;
        Some((start, &code[start..end]))
    })
}

#[test]
fn the_lexer_tells_code_from_text() {
    let text = "let a = \"sqlx // no\"; // sqlx\nlet c = '\"'; let d = '\\''; let e: &'static str = r#\"sqlx \" \"#; /* sqlx /* */ sqlx */ tokio!()\n#[cfg(test)]\nmod t { fn f() { sqlx } }\nb'x'; 'あ'; sqlz";
    let (code, both) = strip(text);
    assert_eq!(code.len(), text.len());
    assert_eq!(words(&code).filter(|(_, w)| *w == "sqlx").count(), 1, "{code}");
    assert_eq!(words(&both).filter(|(_, w)| *w == "sqlx").count(), 3, "{both}");
    assert!(code.contains("tokio!()") && code.contains("sqlz"));
    let (from, to) = test_modules(&code)[0];
    assert!(code[from..to].ends_with("{ sqlx } }"));
}
