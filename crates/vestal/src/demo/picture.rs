//! A picture of a terminal, as SVG.

use std::fmt::{self, Write as _};

use super::text::{Line, Span};
use crate::output::Tone;

/// The advance of a character and the distance of two lines, in SVG units at the font size below.
const COLUMN: f64 = 8.4;
const ROW: f64 = 19.0;
const FONT_SIZE: u32 = 14;
const MARGIN: f64 = 14.0;

/// The lines on a dark background, self-contained, with a title and a description for those who cannot see it.
pub(crate) fn svg(lines: &[Line], columns: usize, title: &str, description: &str) -> String {
    let mut out = String::new();
    // Writing to a String cannot fail.
    let _ = write_svg(&mut out, lines, columns, title, description);
    out
}

fn write_svg(
    out: &mut String,
    lines: &[Line],
    columns: usize,
    title: &str,
    description: &str,
) -> fmt::Result {
    let (width, height) = (x(columns) + MARGIN, y(lines.len()) + MARGIN);
    writeln!(
        out,
        r#"<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-labelledby="title description" viewBox="0 0 {width:.1} {height:.1}" width="{width:.1}" height="{height:.1}">"#
    )?;
    writeln!(out, r#"<title id="title">{}</title>"#, escaped(title))?;
    writeln!(out, r#"<desc id="description">{}</desc>"#, escaped(description))?;
    writeln!(out, r##"<rect width="100%" height="100%" rx="8" fill="#0d1117"/>"##)?;
    writeln!(
        out,
        r#"<g font-family="ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace" font-size="{FONT_SIZE}" xml:space="preserve">"#
    )?;
    for (row, line) in lines.iter().enumerate() {
        let mut column = 0;
        for Span { tone, text } in line.spans() {
            let length = text.chars().count();
            if !text.trim().is_empty() {
                // Each piece is held to its columns, whatever font draws its characters.
                writeln!(
                    out,
                    r#"<text x="{:.1}" y="{:.1}" textLength="{:.1}" lengthAdjust="spacingAndGlyphs" {}>{}</text>"#,
                    x(column),
                    y(row) + f64::from(FONT_SIZE),
                    x(length) - MARGIN,
                    style(*tone),
                    escaped(text),
                )?;
            }
            column += length;
        }
    }
    writeln!(out, "</g>\n</svg>")
}

#[expect(clippy::cast_precision_loss, reason = "a picture has far fewer columns and rows than 2⁵²")]
fn x(column: usize) -> f64 {
    MARGIN + COLUMN * column as f64
}

#[expect(clippy::cast_precision_loss, reason = "a picture has far fewer columns and rows than 2⁵²")]
fn y(row: usize) -> f64 {
    MARGIN + ROW * row as f64
}

/// Colours that keep a contrast of at least 4.5 to 1 on the background (WCAG 2.2 §1.4.3).
fn style(tone: Tone) -> &'static str {
    match tone {
        Tone::Plain => r##"fill="#d0d7de""##,
        Tone::Strong => r##"fill="#ffffff" font-weight="bold""##,
        Tone::Faint => r##"fill="#8b949e""##,
        Tone::Good => r##"fill="#56d364""##,
        Tone::Warning => r##"fill="#e3b341""##,
        Tone::Bad => r##"fill="#ff7b72""##,
    }
}

/// XML text (XML 1.0 §2.4).
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_holds_its_text_in_columns_and_tells_what_it_is() {
        let lines = [
            Line::default().and(Tone::Strong, "a < b & c").pad(12).and(Tone::Bad, "╳"),
            Line::default().pad(12),
        ];
        let picture = svg(&lines, 12, "Vestal & co", "What it shows");
        assert_eq!(
            picture,
            r##"<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-labelledby="title description" viewBox="0 0 128.8 66.0" width="128.8" height="66.0">
<title id="title">Vestal &amp; co</title>
<desc id="description">What it shows</desc>
<rect width="100%" height="100%" rx="8" fill="#0d1117"/>
<g font-family="ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace" font-size="14" xml:space="preserve">
<text x="14.0" y="28.0" textLength="75.6" lengthAdjust="spacingAndGlyphs" fill="#ffffff" font-weight="bold">a &lt; b &amp; c</text>
<text x="114.8" y="28.0" textLength="8.4" lengthAdjust="spacingAndGlyphs" fill="#ff7b72">╳</text>
</g>
</svg>
"##
        );
    }
}
