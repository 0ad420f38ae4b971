//! The modules of the sources and what they name of each other, read as text.
//!
//! Only as much Rust is understood as `cargo fmt` writes: `use` trees, paths that begin with
//! `crate::`, `super::` or `self::`, and items that begin a line. Test code is left out.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::page::files_below;

/// A file and what it holds.
#[derive(Debug)]
pub(super) struct Module {
    /// Its path below the crate's root, such as `sessions::guard`; `lib` and `main` for the roots.
    pub(super) path: String,
    /// Without comments, texts and test code.
    code: String,
}

/// The modules below `folder`, those for tests left out.
pub(super) fn modules(folder: &Path) -> Vec<Module> {
    let files = files_below(folder, "rs");
    let mut tests = BTreeSet::new();
    let mut found = Vec::new();
    for file in files {
        let relative = file.strip_prefix(folder).unwrap().with_extension("");
        let parts: Vec<_> = relative.iter().map(|part| part.to_str().unwrap()).collect();
        let path = parts.join("::");
        let code = bare(&std::fs::read_to_string(&file).unwrap());
        let (code, children) = without_tests(&code);
        tests.extend(children.into_iter().map(|child| below(&path, &child)));
        found.push(Module { path, code });
    }
    let in_tests = |path: &str| {
        let inside = |test: &String| path == test || path.starts_with(&format!("{test}::"));
        tests.iter().any(inside)
    };
    found.retain(|module| !in_tests(&module.path));
    found
}

/// Every use of one module by another: (user, definer).
pub(super) fn uses(modules: &[Module]) -> BTreeSet<(String, String)> {
    let known: BTreeMap<&str, &Module> = modules
        .iter()
        .map(|module| (module.path.as_str(), module))
        .collect();
    let mut edges = BTreeSet::new();
    for module in modules {
        for (path, exported) in named(&module.code) {
            // Handing a child's name on is no use of it.
            let Some(target) = resolve(&known, &module.path, &path, 0) else {
                continue;
            };
            let hands_on = exported && target.starts_with(&format!("{}::", module.path));
            if target != module.path && !hands_on {
                edges.insert((module.path.clone(), target));
            }
        }
    }
    edges
}

/// The module that defines what `path`, as written in `from`, means.
fn resolve(
    known: &BTreeMap<&str, &Module>,
    from: &str,
    path: &[String],
    depth: usize,
) -> Option<String> {
    if depth > 8 {
        return None;
    }
    let is_root = from == "lib" || from == "main";
    let mut here: Vec<&str> = if is_root {
        Vec::new()
    } else {
        from.split("::").collect()
    };
    let mut rest = path;
    match path.first()?.as_str() {
        "crate" | "lacre" => {
            // `lacre::…` is the library as the program names it; within the library, its façade.
            let facade = path[0] == "lacre" && from != "main" && !from.starts_with("cli");
            here = if facade { return None } else { Vec::new() };
            rest = &rest[1..];
        }
        "self" => rest = &rest[1..],
        "super" => {
            while rest.first().is_some_and(|part| part == "super") {
                here.pop();
                rest = &rest[1..];
            }
        }
        child if known.contains_key(below(&here.join("::"), child).as_str()) && !is_root => {}
        child if is_root && known.contains_key(child) => {}
        _ => return None,
    }
    while let Some(part) = rest.first() {
        let deeper = below(&here.join("::"), part);
        if !known.contains_key(deeper.as_str()) {
            break;
        }
        here.push(part);
        rest = &rest[1..];
    }
    let module = match here.join("::") {
        root if root.is_empty() => known.contains_key("lib").then(|| "lib".to_owned())?,
        module => module,
    };
    let Some(name) = rest.first() else {
        return Some(module);
    };
    // A name that the module hands on is its definer's.
    for (handed, _) in named(&known[module.as_str()].code) {
        let definer = || resolve(known, &module, &handed, depth + 1);
        if handed.last() == Some(name)
            && !handed_back(&handed, path)
            && let Some(definer) = definer()
        {
            return Some(definer);
        }
    }
    Some(module)
}

fn handed_back(one: &[String], other: &[String]) -> bool {
    one == other && one.first().is_some_and(|part| part == "crate")
}

fn below(module: &str, child: &str) -> String {
    match module {
        "" | "lib" | "main" => child.to_owned(),
        module => format!("{module}::{child}"),
    }
}

/// The paths that `code` names, and whether each is handed on.
fn named(code: &str) -> Vec<(Vec<String>, bool)> {
    let mut paths = Vec::new();
    let mut rest = code;
    let mut plain = String::new();
    while let Some(at) = next_use(rest) {
        plain.push_str(&rest[..at]);
        let end = rest[at..].find(';').map_or(rest.len(), |end| at + end);
        let line = rest[..at].rfind('\n').map_or(0, |line| line + 1);
        let exported = rest[line..at].trim_start().starts_with("pub");
        let tree = rest[at + "use ".len()..end].replace(char::is_whitespace, " ");
        expand(&[], tree.trim(), exported, &mut paths);
        rest = &rest[end..];
    }
    plain.push_str(rest);
    for start in ["crate::", "super::", "lacre::"] {
        for (at, _) in plain.match_indices(start) {
            let before = plain[..at].chars().next_back();
            if before.is_some_and(|c| c.is_alphanumeric() || "_:(".contains(c) && c != '(') {
                continue;
            }
            // `pub(in crate::…)` says who may use, and uses nothing.
            if plain[..at].ends_with("(in ") {
                continue;
            }
            let is_path = |c: &char| c.is_alphanumeric() || "_:".contains(*c);
            let text: String = plain[at..].chars().take_while(is_path).collect();
            let parts = text.split("::").filter(|part| !part.is_empty());
            paths.push((parts.map(str::to_owned).collect(), false));
        }
    }
    paths
}

fn next_use(code: &str) -> Option<usize> {
    code.match_indices("use ").map(|(at, _)| at).find(|at| {
        let line = code[..*at].rfind('\n').map_or(0, |line| line + 1);
        let before = code[line..*at].trim();
        before.is_empty()
            || before.starts_with("pub") && !before.contains(' ')
            || before.starts_with("pub(in ")
    })
}

/// Takes `a::{b, c::{d, e as f}}` apart.
fn expand(before: &[String], tree: &str, exported: bool, paths: &mut Vec<(Vec<String>, bool)>) {
    if let Some(open) = tree.find('{') {
        let mut whole = before.to_vec();
        whole.extend(parts(&tree[..open]));
        let inner = &tree[open + 1..tree.rfind('}').unwrap_or(tree.len())];
        let (mut depth, mut start) = (0, 0);
        for (at, c) in inner.char_indices() {
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                ',' if depth == 0 => {
                    expand(&whole, inner[start..at].trim(), exported, paths);
                    start = at + 1;
                }
                _ => {}
            }
        }
        expand(&whole, inner[start..].trim(), exported, paths);
    } else if !tree.is_empty() {
        let mut whole = before.to_vec();
        whole.extend(parts(tree.split(" as ").next().unwrap_or(tree)));
        // `a::{self, b}` names `a`.
        if whole.len() > 1 && whole.last().is_some_and(|part| part == "self") {
            whole.pop();
        }
        paths.push((whole, exported));
    }
}

fn parts(path: &str) -> impl Iterator<Item = String> {
    path.split("::")
        .map(str::trim)
        .filter(|part| !part.is_empty() && *part != "*")
        .map(str::to_owned)
}

/// Without comments; documentation names much that the code doesn't use.
fn bare(text: &str) -> String {
    text.lines()
        .map(|line| line.split("//").next().unwrap_or_default())
        .filter(|line| !line.trim_start().starts_with("#!["))
        .fold(String::new(), |code, line| code + line + "\n")
}

/// Without items for tests, and the names of the modules among them that are files.
fn without_tests(code: &str) -> (String, Vec<String>) {
    let (mut kept, mut children) = (String::new(), Vec::new());
    let mut lines = code.lines();
    while let Some(line) = lines.next() {
        if line.trim() != "#[cfg(test)]" {
            kept.push_str(line);
            kept.push('\n');
            continue;
        }
        let indent = line.len() - line.trim_start().len();
        // The item ends with `;` or `,` on its first line, or with a brace as deep as it began.
        for line in lines.by_ref() {
            if line.trim_start().starts_with("#[") {
                continue;
            }
            if let Some((_, name)) = line.split_once("mod ") {
                children.extend(name.strip_suffix(';').map(str::to_owned));
            }
            let as_deep = line.len() - line.trim_start().len() == indent;
            if as_deep && line.trim_end().ends_with(['}', ';', ',']) {
                break;
            }
        }
    }
    (kept, children)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn module(path: &str, text: &str) -> Module {
        let (code, _) = without_tests(&bare(text));
        let path = path.to_owned();
        Module { path, code }
    }

    fn edges(modules: &[Module]) -> Vec<(String, String)> {
        uses(modules).into_iter().collect()
    }

    fn edge(one: &str, other: &str) -> (String, String) {
        (one.to_owned(), other.to_owned())
    }

    #[test]
    fn imports_and_paths_are_uses() {
        let found = edges(&[
            module("a", "use crate::b::{self, c::D};\nfn f() {}\n"),
            module("b", "fn g() { crate::e::h() }\n"),
            module("b::c", "pub struct D;\n"),
            module("e", "pub fn h() {}\n"),
        ]);
        assert_eq!(found, [edge("a", "b"), edge("a", "b::c"), edge("b", "e")]);
    }

    #[test]
    fn what_is_handed_on_is_its_definers() {
        let found = edges(&[
            module("a", "mod x;\nmod y;\npub use x::X;\n"),
            module("a::x", "pub struct X;\n"),
            module("a::y", "use super::X;\n"),
            module("b", "use crate::a::X;\n"),
        ]);
        assert_eq!(found, [edge("a::y", "a::x"), edge("b", "a::x")]);
    }

    #[test]
    fn a_child_that_uses_what_its_parent_defines_is_seen() {
        let found = edges(&[
            module("a", "mod x;\nuse x::X;\npub struct A(X);\n"),
            module("a::x", "use super::A;\npub struct X;\n"),
        ]);
        assert_eq!(found, [edge("a", "a::x"), edge("a::x", "a")]);
    }

    #[test]
    fn tests_comments_and_visibilities_use_nothing() {
        let found = edges(&[
            module(
                "a",
                "// crate::b::B\n#[cfg(test)]\nuse crate::b::B;\npub(in crate::b) fn f() {}\n\
                 #[cfg(test)]\nmod tests {\n    use crate::b::B;\n}\n",
            ),
            module("b", "pub struct B;\n"),
        ]);
        assert_eq!(found, []);
    }
}
