use std::{os::unix::fs::symlink, process};

use super::*;

/// A directory that vanishes with the test.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = env::temp_dir().join(format!("fata-embed-{name}-{}", process::id()));
        fs::create_dir_all(path.join("sub")).unwrap();
        fs::write(path.join("b.txt"), "b").unwrap();
        fs::write(path.join("sub/a"), "a").unwrap();
        Self(path)
    }

    fn embed(&self) -> Result<Vec<(String, String)>> {
        // An absolute path replaces `CARGO_MANIFEST_DIR`.
        embed(&LitStr::new(self.0.to_str().unwrap(), Span::call_site()))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

fn keys(files: &[(String, String)]) -> Vec<&str> {
    files.iter().map(|file| file.0.as_str()).collect()
}

#[test]
fn directories_are_walked_in_order() {
    let scratch = Scratch::new("order");
    fs::write(scratch.0.join("a-file"), "").unwrap();
    symlink(scratch.0.join("sub"), scratch.0.join("c")).unwrap();
    let files = scratch.embed().unwrap();
    assert_eq!(keys(&files), ["a-file", "b.txt", "c/a", "sub/a"]);
}

#[test]
fn links_in_a_circle_are_refused() {
    let scratch = Scratch::new("circle");
    symlink(&scratch.0, scratch.0.join("sub/again")).unwrap();
    let error = scratch.embed().unwrap_err().to_string();
    assert!(error.contains("leads back"), "{error}");
}

#[test]
fn a_missing_directory_is_named() {
    let error = embed(&LitStr::new("no/such", Span::call_site())).unwrap_err();
    let error = error.to_string();
    assert!(
        error.contains("does not exist") && error.contains("no/such"),
        "{error}"
    );
}

fn refusal(input: &str) -> String {
    derive(&syn::parse_str(input).unwrap())
        .unwrap_err()
        .to_string()
}

#[test]
fn what_is_no_list_of_devices_is_refused() {
    assert!(refusal("enum E {}").contains("only a struct"));
    assert!(refusal("struct S(Nic);").contains("named fields"));
    assert!(refusal("struct S<T> { a: T }").contains("generic"));
    assert!(refusal("struct S { #[device(nmae = \"x\")] a: Nic }").contains("unknown key"));
}

#[test]
fn names_and_prefixes_follow_from_fields() {
    let field: syn::ItemStruct =
        syn::parse_str("struct S { service: A, storage: A, r#in: A, my_net: A }").unwrap();
    let parsed: Vec<_> = field
        .fields
        .iter()
        .map(|f| Field::parse(f).unwrap())
        .collect();
    let all: Vec<_> = parsed
        .iter()
        .map(|f| (f.name.as_str(), f.prefix.as_str()))
        .collect();
    assert_eq!(
        all,
        [
            ("service", ""),
            ("storage", ""),
            ("in", "in"),
            ("my_net", "my-net")
        ]
    );
}
