//! A page of the documentation, as its tests see it.

use std::path::{Path, PathBuf};

/// A page and where it lies.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) path: PathBuf,
    pub(super) text: String,
}

/// A fenced block: its language, and the name of the file that it shows, where the line before it
/// says `<!-- file: NAME -->`.
#[derive(Debug)]
pub(super) struct Block {
    pub(super) language: String,
    pub(super) file: Option<String>,
    pub(super) text: String,
}

/// The repository.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// `README.md` and everything below `docs/`.
pub(super) fn all() -> Vec<Page> {
    let mut paths = files_below(&root().join("docs"), "md");
    paths.push(root().join("README.md"));
    assert!(paths.len() > 10, "only {paths:?}");
    paths.iter().map(|path| Page::at(path)).collect()
}

/// Every file below `folder` whose name ends so.
pub(crate) fn files_below(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files_below(&path, extension));
        } else if path.extension().is_some_and(|known| known == extension) {
            found.push(path);
        }
    }
    found.sort();
    found
}

impl Page {
    /// The page at this path of the repository.
    pub(super) fn named(path: &str) -> Self {
        Self::at(&root().join(path))
    }

    fn at(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            text: std::fs::read_to_string(path).unwrap(),
        }
    }

    /// The fenced blocks, in order.
    pub(super) fn blocks(&self) -> Vec<Block> {
        let (mut blocks, mut open, mut before) = (Vec::new(), None::<Block>, "");
        for line in self.text.lines() {
            match (&mut open, line.strip_prefix("```")) {
                (None, Some(language)) => {
                    open = Some(Block {
                        language: language.to_owned(),
                        file: before
                            .strip_prefix("<!-- file: ")
                            .and_then(|rest| rest.strip_suffix(" -->"))
                            .map(str::to_owned),
                        text: String::new(),
                    });
                }
                (Some(_), Some(_)) => blocks.extend(open.take()),
                (Some(block), None) => {
                    block.text.push_str(line);
                    block.text.push('\n');
                }
                (None, None) => before = line,
            }
        }
        assert!(
            open.is_none(),
            "{}: a fence stays open",
            self.path.display()
        );
        blocks
    }

    /// The lines outside of fences.
    pub(super) fn prose(&self) -> impl Iterator<Item = &str> {
        let mut fenced = false;
        self.text.lines().filter(move |line| {
            let fence = line.starts_with("```");
            fenced ^= fence;
            !fenced && !fence
        })
    }

    /// The commands of the shell blocks, one a line, their continuations joined.
    pub(super) fn shell_lines(&self) -> Vec<String> {
        let shell = |block: &Block| block.language == "sh";
        self.blocks()
            .into_iter()
            .filter(shell)
            .flat_map(|block| {
                let joined = block.text.replace("\\\n", " ");
                joined.lines().map(str::to_owned).collect::<Vec<_>>()
            })
            .collect()
    }
}
