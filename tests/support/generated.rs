//! Parts of a page that are made by a test: between `<!-- NAME: … -->` and `<!-- end of NAME -->`.

use std::path::Path;

/// Demands that the part of this page is `due`, or, with `LACRE_BLESS` set, makes it so.
#[allow(clippy::disallowed_methods)] // a switch of the tests, not configuration
pub(crate) fn part(page: &str, name: &str, due: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(page);
    let text = std::fs::read_to_string(&path).unwrap();
    let (before, found, after) = split(&text, name).unwrap_or_else(|| panic!("{page}: no {name}"));
    if std::env::var_os("LACRE_BLESS").is_some() {
        std::fs::write(&path, format!("{before}{due}{after}")).unwrap();
        return;
    }
    assert_eq!(
        found, due,
        "{page} is stale: run the test with LACRE_BLESS=1"
    );
}

/// What stands before the part, in it and behind it.
fn split<'a>(text: &'a str, name: &str) -> Option<(&'a str, &'a str, &'a str)> {
    let opening = text.find(&format!("<!-- {name}: "))?;
    let begin = opening + text[opening..].find("-->\n")? + "-->\n".len();
    let end = begin + text[begin..].find(&format!("<!-- end of {name} -->"))?;
    Some((&text[..begin], &text[begin..end], &text[end..]))
}

/// A table of a page.
pub(crate) fn table(head: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let head: Vec<String> = head.iter().map(|&cell| cell.to_owned()).collect();
    let mut table = line(&head);
    table.push('|');
    table.push_str(&"---|".repeat(head.len()));
    table.push('\n');
    for row in rows {
        assert_eq!(row.len(), head.len(), "{row:?}");
        table.push_str(&line(&row));
    }
    table
}

#[test]
fn a_part_of_a_page_is_found_between_its_marks() {
    let page = "a\n<!-- x: made by y -->\nb\nc\n<!-- end of x -->\nd\n";
    let found = split(page, "x").unwrap();
    assert_eq!(
        found,
        (
            "a\n<!-- x: made by y -->\n",
            "b\nc\n",
            "<!-- end of x -->\nd\n"
        )
    );
    assert_eq!(split(page, "z"), None);
    let table = table(&["A", "B"], [vec!["1".to_owned(), "2".to_owned()]]);
    assert_eq!(table, "| A | B |\n|---|---|\n| 1 | 2 |\n");
}
