//! Colours in sRGB, and how well one is seen on another (WCAG 2.2).

use std::fmt;

use serde::{Serialize, Serializer};

/// A colour without transparency: red, green and blue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Color(pub [u8; 3]);

impl Color {
    /// White.
    pub const WHITE: Self = Self([255; 3]);
    /// Black.
    pub const BLACK: Self = Self([0; 3]);

    /// Reads the hexadecimal notation of CSS (Color Module Level 4 section 5.2) without transparency: `#0b5c45` or `#0a4`.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix('#')?;
        let digits: Vec<u8> = digits
            .chars()
            .map(|digit| digit.to_digit(16).and_then(|value| u8::try_from(value).ok()))
            .collect::<Option<_>>()?;
        match digits.as_slice() {
            [r, g, b] => Some(Self([*r, *g, *b].map(|value| value * 17))),
            [r, s, g, t, b, u] => Some(Self([r * 16 + s, g * 16 + t, b * 16 + u])),
            _ => None,
        }
    }

    /// So much of another colour in it, from 0 to 1.
    #[must_use]
    pub fn mixed(self, other: Self, part: f64) -> Self {
        let Self([r, g, b]) = self;
        let Self([s, t, u]) = other;
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // between two bytes there are only bytes
        let mix = |one: u8, other: u8| (f64::from(one) + (f64::from(other) - f64::from(one)) * part).round() as u8;
        Self([mix(r, s), mix(g, t), mix(b, u)])
    }

    /// The contrast between two colours, from 1 to 21 (WCAG 2.2, "contrast ratio").
    pub fn contrast(self, other: Self) -> f64 {
        let (one, other) = (self.luminance() + 0.05, other.luminance() + 0.05);
        one.max(other) / one.min(other)
    }

    /// WCAG 2.2, "relative luminance".
    fn luminance(self) -> f64 {
        let [r, g, b] = self.0.map(|channel| {
            let channel = f64::from(channel) / 255.0;
            if channel <= 0.04045 { channel / 12.92 } else { ((channel + 0.055) / 1.055).powf(2.4) }
        });
        0.2126 * r + 0.7152 * g + 0.0722 * b
    }
}

impl fmt::Display for Color {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self([r, g, b]) = self;
        write!(f, "#{r:02x}{g:02x}{b:02x}")
    }
}

impl Serialize for Color {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn css_color_4_5_2_hexadecimal_notation() {
        assert_eq!(Color::parse("#0B5c45").unwrap().to_string(), "#0b5c45");
        assert_eq!(Color::parse("#0a4").unwrap().to_string(), "#00aa44");
        for wrong in ["", "#", "0b5c45", "#0b5c4", "#0b5c45ff", "#0b5c4g", "#é", "red", "#+12345", "#0b5c45;"] {
            assert_eq!(Color::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn wcag_contrast() {
        let ratio = |one, other| Color::parse(one).unwrap().contrast(Color::parse(other).unwrap());
        assert!((ratio("#000", "#fff") - 21.0).abs() < 1e-9);
        assert!((ratio("#777", "#fff") - 4.478).abs() < 1e-3);
        assert!((ratio("#123456", "#123456") - 1.0).abs() < 1e-9);
        assert_eq!(Color::WHITE.mixed(Color::BLACK, 0.5).to_string(), "#808080");
    }
}
