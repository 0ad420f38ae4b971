//! Counts as pictures: SVG that the server draws, in the colours of the stylesheet.
//!
//! Each picture has a text that says what is to be seen; the numbers themselves stand in a table beside it.
//!
//! This room must never draw text that somebody else has written.

use maud::{Markup, html};

const WIDTH: u64 = 600;
const HEIGHT: u64 = 96;
/// The most bars of a picture: an hour of minutes.
const BARS: u64 = 60;

/// Bars side by side, the last one now; the upper part of each is the second number.
pub(super) fn bars(id: &str, title: &str, description: &str, values: &[(u64, u64)]) -> Markup {
    let values = &values[values.len().saturating_sub(60)..];
    let most = values.iter().map(|(one, other)| one + other).max();
    let most = most.unwrap_or_default().max(1);
    let step = WIDTH / BARS;
    // What there is stands at the right end, where now is.
    let first = BARS.saturating_sub(values.len() as u64);
    html! {
        svg.bars viewBox={ "0 0 " (WIDTH) " " (HEIGHT + 2) } role="img"
            aria-labelledby={ (id) "-title " (id) "-text" } {
            title id={ (id) "-title" } { (title) }
            desc id={ (id) "-text" } { (description) }
            @for (number, (lower, upper)) in (first..).zip(values) {
                @let x = number * step + 1;
                @let low = scaled(*lower, most);
                @let high = scaled(*upper, most);
                @if low > 0 {
                    rect.lower x=(x) y=(HEIGHT - low) width=(step - 2) height=(low) {}
                }
                @if high > 0 {
                    rect.upper x=(x) y=(HEIGHT.saturating_sub(low + high)) width=(step - 2) height=(high) {}
                }
            }
            line.base x1="0" y1=(HEIGHT + 1) x2=(WIDTH) y2=(HEIGHT + 1) {}
        }
    }
}

/// One bar that lies beside its number.
pub(super) fn share(value: u64, most: u64) -> Markup {
    let length = (value.saturating_mul(100) / most.max(1)).clamp(1, 100);
    html! {
        svg.share viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true" focusable="false" {
            rect.upper x="0" y="0" width=(length) height="8" {}
        }
    }
}

/// Something that is there is seen, however little it is.
fn scaled(value: u64, most: u64) -> u64 {
    match value {
        0 => 0,
        value => (value.saturating_mul(HEIGHT) / most).clamp(2, HEIGHT),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_there_is_stands_at_the_right_end_and_is_seen() {
        let drawn = bars("b", "Bars", "Two", &[(1, 0), (0, 1000)]).into_string();
        assert!(
            drawn.contains(r#"<rect class="lower" x="581" y="94" width="8" height="2">"#),
            "{drawn}"
        );
        assert!(
            drawn.contains(r#"<rect class="upper" x="591" y="0" width="8" height="96">"#),
            "{drawn}"
        );
        assert!(drawn.contains(r#"aria-labelledby="b-title b-text""#));
        assert_eq!(drawn.matches("<rect").count(), 2);
    }

    #[test]
    fn no_numbers_are_an_empty_picture_and_too_many_are_cut() {
        assert!(!bars("b", "", "", &[]).into_string().contains("<rect"));
        let many = vec![(u64::MAX / 200, 0); 500];
        let drawn = bars("b", "", "", &many).into_string();
        assert_eq!(drawn.matches("<rect").count(), 60);
        assert!(share(0, 0).into_string().contains(r#"width="1""#));
        assert!(share(u64::MAX, 1).into_string().contains(r#"width="100""#));
    }
}
