//! Lengths of time as people write them: seconds, or units from the largest to the smallest, such as `1h30m`.

use std::time::Duration;

/// How they are written, for explanations.
pub const FORM: &str = "seconds, or text like \"10m\", \"1h30m\", \"90d\"";

const UNITS: [(char, u64); 4] = [('d', 24 * 60 * 60), ('h', 60 * 60), ('m', 60), ('s', 1)];

/// Reads one, in seconds.
pub fn parse(text: &str) -> Option<u64> {
    let mut rest = text;
    if rest.is_empty() {
        return None;
    }
    if let Some(seconds) = digits(rest) {
        return Some(seconds);
    }
    // Each unit stands at most once.
    let mut units = UNITS.into_iter();
    let mut total: u64 = 0;
    while !rest.is_empty() {
        let (number, after) = rest.split_at_checked(rest.find(|character: char| !character.is_ascii_digit())?)?;
        let (_, unit) = units.find(|(name, _)| after.starts_with(*name))?;
        total = total.checked_add(digits(number)?.checked_mul(unit)?)?;
        rest = after.get(1..)?;
    }
    Some(total)
}

/// Such as `1h30m`, in whole units.
pub fn write(duration: Duration) -> String {
    let mut rest = duration.as_secs();
    if rest == 0 {
        return "0s".into();
    }
    let mut text = String::new();
    for (name, unit) in UNITS {
        if rest >= unit {
            text.push_str(&format!("{}{name}", rest / unit));
            rest %= unit;
        }
    }
    text
}

/// Digits alone; the standard parser would take a sign.
fn digits(text: &str) -> Option<u64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time_are_read_as_they_are_written() {
        for (text, seconds) in
            [("600", 600), ("10m", 600), ("1h30m", 5400), ("1d1h1m1s", 90061), ("0s", 0), ("90m", 5400)]
        {
            assert_eq!(parse(text), Some(seconds), "{text}");
            assert_eq!(parse(&write(Duration::from_secs(seconds))), Some(seconds), "{text} written again");
        }
        for wrong in ["", "m", "-1", "+1", "1.5h", "10 m", "10m5", "1m1h", "1m1m", "10ms", "99999999999999999999d"] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }
}
