//! Characters that nobody sees, or that change how what stands beside them is seen.
//!
//! One function for logs, listings and JSON. This room must never leave a format character of
//! Unicode out.

/// Soft hyphens, zero widths, marks that turn the direction of text, line and paragraph ends of
/// Unicode, fillers that are drawn as nothing, annotations, and tags, which can spell a hidden text.
#[must_use]
pub fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{ad}' | '\u{34f}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}'
            | '\u{890}' | '\u{891}' | '\u{8e2}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
            | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{110bd}' | '\u{110cd}'
            | '\u{13430}'..='\u{1343f}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_sees_is_told_from_what_somebody_reads() {
        for c in [
            '\u{e0000}',
            '\u{e0041}',
            '\u{e007f}',
            '\u{180e}',
            '\u{3164}',
            '\u{fff9}',
            '\u{fffb}',
            '\u{200b}',
            '\u{202e}',
            '\u{2028}',
            '\u{feff}',
            '\u{ad}',
            '\u{115f}',
            '\u{2800}',
        ] {
            assert!(is_invisible(c), "{:x}", u32::from(c));
        }
        for c in "aé߿عक한ー…€�🙂\u{301}".chars() {
            assert!(!is_invisible(c), "{c}");
        }
    }
}
