//! Which form of a sentence goes with a number, by the plural rules of Unicode's CLDR, for whole numbers.

/// A plural category (UTS #35, part 3, section 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Category {
    Zero,
    One,
    Two,
    Few,
    Many,
    Other,
}

impl Category {
    const ALL: [(Self, &'static str); 6] = [
        (Self::Zero, "zero"),
        (Self::One, "one"),
        (Self::Two, "two"),
        (Self::Few, "few"),
        (Self::Many, "many"),
        (Self::Other, "other"),
    ];

    pub(super) fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|(_, known)| *known == name).map(|(category, _)| category)
    }

    pub(super) fn name(self) -> &'static str {
        Self::ALL.into_iter().find(|(category, _)| *category == self).map_or("other", |(_, name)| name)
    }
}

/// The rule of a language.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rule {
    /// No forms: Chinese, Japanese, Korean.
    None,
    /// One, and the rest: English, German, Spanish; and every language that is not listed.
    One,
    /// Nothing and one, and the rest: French, Portuguese.
    ZeroOne,
    /// One and two: Hebrew.
    OneTwo,
    /// 1; 2 to 4; the rest: Czech, Slovak.
    Czech,
    /// 1; 2 to 4, 22 to 24, …; the rest.
    Polish,
    /// 1, 21, …; 2 to 4, 22 to 24, …; the rest: Russian, Ukrainian, Belarusian.
    Russian,
    /// As in Russian, but what is many there is other here: Serbian, Croatian, Bosnian.
    Serbian,
    /// 1, 101, …; 2, 102, …; 3 and 4, 103, …; the rest.
    Slovenian,
    /// 1, 21, …; 2 to 9, 22 to 29, …; the rest.
    Lithuanian,
    /// 0, 10 to 20, 30, …; 1, 21, …; the rest.
    Latvian,
    /// 1; 0, 2 to 19, 102 to 119, …; the rest.
    Romanian,
    /// All six.
    Arabic,
}

impl Rule {
    /// By the language's tag; regions and scripts count the same way here.
    pub(super) fn of(tag: &str) -> Self {
        match tag.split('-').next().unwrap_or_default().to_ascii_lowercase().as_str() {
            "id" | "ja" | "ko" | "lo" | "ms" | "my" | "th" | "vi" | "yue" | "zh" => Self::None,
            "fr" | "pt" | "hy" | "hi" | "bn" | "fa" | "am" | "gu" | "kn" | "zu" => Self::ZeroOne,
            "he" => Self::OneTwo,
            "cs" | "sk" => Self::Czech,
            "pl" => Self::Polish,
            "be" | "ru" | "uk" => Self::Russian,
            "bs" | "hr" | "sr" => Self::Serbian,
            "sl" => Self::Slovenian,
            "lt" => Self::Lithuanian,
            "lv" => Self::Latvian,
            "mo" | "ro" => Self::Romanian,
            "ar" => Self::Arabic,
            _ => Self::One,
        }
    }

    /// The form for a number. The form `many` of French, Italian, Portuguese and Spanish, for whole millions, is not
    /// known here: nothing on a page is so large.
    pub(super) fn category(self, number: u64) -> Category {
        use Category::{Few, Many, One, Other, Two, Zero};
        let (ten, hundred) = (number % 10, number % 100);
        let teens = matches!(hundred, 11..=19);
        match self {
            Self::One if number == 1 => One,
            Self::ZeroOne if number <= 1 => One,
            Self::OneTwo if number == 1 => One,
            Self::OneTwo if number == 2 => Two,
            Self::None | Self::One | Self::ZeroOne | Self::OneTwo => Other,
            Self::Czech => match number {
                1 => One,
                2..=4 => Few,
                _ => Other,
            },
            Self::Polish => match ten {
                _ if number == 1 => One,
                2..=4 if !teens => Few,
                _ => Many,
            },
            Self::Russian => match ten {
                1 if !teens => One,
                2..=4 if !teens => Few,
                _ => Many,
            },
            Self::Serbian => match ten {
                1 if !teens => One,
                2..=4 if !teens => Few,
                _ => Other,
            },
            Self::Slovenian => match hundred {
                1 => One,
                2 => Two,
                3 | 4 => Few,
                _ => Other,
            },
            Self::Lithuanian => match ten {
                1 if !teens => One,
                2..=9 if !teens => Few,
                _ => Other,
            },
            Self::Latvian => match ten {
                0 => Zero,
                _ if teens => Zero,
                1 => One,
                _ => Other,
            },
            Self::Romanian => match hundred {
                _ if number == 1 => One,
                _ if number == 0 => Few,
                1..=19 => Few,
                _ => Other,
            },
            Self::Arabic => match hundred {
                _ if number == 0 => Zero,
                _ if number == 1 => One,
                _ if number == 2 => Two,
                3..=10 => Few,
                11..=99 => Many,
                _ => Other,
            },
        }
    }

    /// The forms that whole numbers need, and `other`, which stands in for all of them (fractions need it in Polish and
    /// Russian).
    pub(super) fn categories(self) -> &'static [Category] {
        use Category::{Few, Many, One, Other, Two, Zero};
        match self {
            Self::None => &[Other],
            Self::One | Self::ZeroOne => &[One, Other],
            Self::OneTwo => &[One, Two, Other],
            Self::Polish | Self::Russian => &[One, Few, Many, Other],
            Self::Czech | Self::Serbian | Self::Lithuanian | Self::Romanian => &[One, Few, Other],
            Self::Slovenian => &[One, Two, Few, Other],
            Self::Latvian => &[Zero, One, Other],
            Self::Arabic => &[Zero, One, Two, Few, Many, Other],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cldr_numbers_have_the_forms_of_their_language() {
        // The samples of CLDR's own table, for whole numbers below a million.
        let table = [
            ("ja", "other: 0 1 2 100"),
            ("en", "one: 1; other: 0 2 16 100 1000"),
            ("de-CH", "one: 1; other: 0 2 16 100 1000"),
            ("es", "one: 1; other: 0 2 16 100 1000"),
            ("fr", "one: 0 1; other: 2 17 100 1000"),
            ("pt-BR", "one: 0 1; other: 2 17 100 1000"),
            ("he", "one: 1; two: 2; other: 0 3 17 100"),
            ("cs", "one: 1; few: 2 3 4; other: 0 5 19 100 102"),
            ("pl", "one: 1; few: 2 4 22 24 32 102 1002; many: 0 5 12 14 19 21 100 111 112 1000"),
            ("ru", "one: 1 21 31 101 1001; few: 2 4 22 24 102; many: 0 5 11 12 14 19 100 111 1000"),
            ("sr", "one: 1 21 101; few: 2 4 22 24 102; other: 0 5 11 12 19 100 112"),
            ("sl", "one: 1 101 201; two: 2 102; few: 3 4 103 104; other: 0 5 19 100 111 112"),
            ("lt", "one: 1 21 101; few: 2 9 22 29 102; other: 0 10 11 12 20 30 100 112"),
            ("lv", "zero: 0 10 11 20 30 100 111; one: 1 21 31 101; other: 2 9 22 29 102"),
            ("ro", "one: 1; few: 0 2 16 101 102 119; other: 20 35 100 1000"),
            ("ar", "zero: 0; one: 1; two: 2; few: 3 10 103 110; many: 11 26 99 111; other: 100 102 200 1000"),
        ];
        for (tag, samples) in table {
            let rule = Rule::of(tag);
            for form in samples.split("; ") {
                let (name, numbers) = form.split_once(": ").unwrap();
                for number in numbers.split(' ') {
                    let category = rule.category(number.parse().unwrap());
                    assert_eq!(category.name(), name, "{number} in {tag}");
                    assert!(rule.categories().contains(&category), "{number} in {tag}");
                }
            }
        }
    }
}
