//! A colour of one's own: a small style sheet over ours, in which what is read keeps its contrast in light and dark.
//!
//! The sheet follows from the colour alone, which stands in its address. So nothing is looked up, and it can be kept for
//! ever; and the strict policy of the pages stays as it is.

use bytes::Bytes;

use super::Asset;
use crate::base::color::Color;

/// Where the sheets lie, below the issuer; behind it stand the colour's six digits and `.css`.
pub const PATH: &str = "/accent/";

/// WCAG 2.2, 1.4.3: the least contrast of text, and of 1.4.6 for the strip above, as in `hallpass.css`.
const TEXT: f64 = 4.5;
const STRIP: f64 = 7.0;

/// What accents are seen on, in `hallpass.css`: the sheet, tinted ground, the stub, fields, the page.
const LIGHT: [Color; 4] =
    [Color::WHITE, Color([0xee, 0xf4, 0xf0]), Color([0xf6, 0xf8, 0xf5]), Color([0xe9, 0xee, 0xea])];
const DARK: [Color; 5] = [
    Color([0x18, 0x21, 0x1c]),
    Color([0x20, 0x2c, 0x26]),
    Color([0x14, 0x1c, 0x18]),
    Color([0x0f, 0x16, 0x13]),
    Color([0x0c, 0x12, 0x0f]),
];

/// The address of the sheet for a colour.
pub(super) fn address(base: &str, accent: Color) -> String {
    let name = name(accent);
    let version = sheet(accent).map(|sheet| sheet.version).unwrap_or_default();
    format!("{base}{PATH}{name}?v={version}")
}

/// The sheet behind an address: what follows [`PATH`]. `None` where no colour is written in the one way that it is written.
pub fn accent_sheet(file: &str) -> Option<Asset> {
    let accent = Color::parse(&format!("#{}", file.strip_suffix(".css")?))?;
    if name(accent) == file { sheet(accent) } else { None }
}

fn name(accent: Color) -> String {
    format!("{}.css", accent.to_string().trim_start_matches('#'))
}

fn sheet(accent: Color) -> Option<Asset> {
    let on_light = toward(accent, Color::BLACK, TEXT, &LIGHT);
    let on_dark = toward(accent, Color::WHITE, TEXT, &DARK);
    let strip = toward(accent, Color::BLACK, STRIP, &[Color::WHITE]);
    let css = format!(
        ":root {{\n  --accent: {on_light};\n  --accent-strong: {};\n  --on-accent: {};\n  --focus: {on_light};\n  --strip: {strip};\n  \
         --strip-text: {};\n}}\n\n@media (prefers-color-scheme: dark) {{\n  :root {{\n    --accent: {on_dark};\n    \
         --accent-strong: {};\n    --on-accent: {};\n    --focus: {on_dark};\n  }}\n}}\n",
        on_light.mixed(Color::BLACK, 0.3),
        Color::WHITE,
        Color::WHITE,
        on_dark.mixed(Color::WHITE, 0.3),
        Color::BLACK,
    );
    Asset::new(&name(accent), Bytes::from(css))
}

/// The colour, as much nearer to another one as it takes to be seen on all of these.
fn toward(color: Color, other: Color, least: f64, grounds: &[Color]) -> Color {
    let steps = (0..=100_u8).map(|step| color.mixed(other, f64::from(step) / 100.0));
    let is_seen = |color: &Color| grounds.iter().all(|ground| color.contrast(*ground) >= least);
    steps.into_iter().find(is_seen).unwrap_or(other)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::page::BUILT_IN;

    /// The colours of a block of CSS by their names.
    fn colors(block: &str) -> impl Fn(&str) -> Option<Color> + '_ {
        |name| {
            let value = block.split(&format!("--{name}: ")).nth(1)?;
            Color::parse(value.split(';').next()?)
        }
    }

    #[test]
    fn wcag_1_4_3_whatever_the_colour_it_can_be_read_in_both_schemes() {
        let css = BUILT_IN.iter().find(|(name, _)| *name == "asset/hallpass.css").unwrap().1;
        let block =
            |css: &str, number: usize| css.split(":root {").nth(number).unwrap().split('}').next().unwrap().to_owned();
        let accents = (0..64_u8).map(|n| Color([n >> 4, (n >> 2) & 3, n & 3].map(|part| part * 85)));
        for accent in accents {
            let sheet = accent_sheet(&name(accent)).unwrap();
            let own = std::str::from_utf8(&sheet.bytes).unwrap();
            for (scheme, number) in [("light", 1), ("dark", 2)] {
                // In the dark what is not said again stays as in the light.
                let (own, light) = (block(own, number) + &block(own, 1), block(css, 1));
                let (ours, own) = (block(css, number) + &light, own);
                let (ours, own) = (colors(&ours), colors(&own));
                let color = |name: &str| own(name).or_else(|| ours(name)).unwrap();
                for (front, back, least) in [
                    ("accent", "sheet", 4.5),
                    ("accent", "tint", 4.5),
                    ("accent", "field", 4.5),
                    ("accent-strong", "sheet", 4.5),
                    ("accent-strong", "tint", 4.5),
                    ("on-accent", "accent", 4.5),
                    ("on-accent", "accent-strong", 4.5),
                    ("strip-text", "strip", 7.0),
                    ("focus", "sheet", 3.0),
                    ("focus", "field", 3.0),
                    ("focus", "tint", 3.0),
                    ("focus", "stub", 3.0),
                    ("focus", "page", 3.0),
                ] {
                    let ratio = color(front).contrast(color(back));
                    assert!(ratio >= least, "{accent} in {scheme}: {front} on {back} has {ratio:.2}, needs {least}");
                }
            }
        }
    }

    #[test]
    fn the_grounds_are_those_of_our_own_sheet() {
        let css = BUILT_IN.iter().find(|(name, _)| *name == "asset/hallpass.css").unwrap().1;
        for (number, grounds) in [(1, &LIGHT[..]), (2, &DARK[..])] {
            let block = css.split(":root {").nth(number).unwrap().split('}').next().unwrap();
            let color = colors(block);
            for name in ["sheet", "tint", "stub", "field", "page"] {
                assert!(grounds.contains(&color(name).unwrap()), "{name} of {number}");
            }
        }
    }

    #[test]
    fn a_colour_that_can_be_read_stays_as_it_is() {
        let sheet = accent_sheet("0b5c45.css").unwrap();
        assert!(sheet.bytes.starts_with(b":root {\n  --accent: #0b5c45;\n"));
        assert_eq!(sheet.content_type, "text/css; charset=utf-8");
    }

    #[test]
    fn a_sheet_has_one_address() {
        for wrong in ["", ".css", "0B5C45.css", "0b5.css", "0b5c45", "0b5c45.css.css", "0b5c4;.css", "../a.css"] {
            assert!(accent_sheet(wrong).is_none(), "{wrong}");
        }
        assert!(address("/idp", Color::WHITE).starts_with("/idp/accent/ffffff.css?v="));
    }
}
