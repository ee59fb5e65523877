//! Which language a page is in: what the relying party asks for, then what the person chose on a page before, then what
//! the browser prefers, then the deployment's own, which is English unless it says otherwise.

use std::sync::Arc;

use super::catalogue::{Catalogue, CatalogueError};

/// Longer lists of languages are cut: nobody reads more than this.
const MAX_RANGES: usize = 16;
/// Longer than any registered tag with its extensions; longer ones are skipped.
const MAX_TAG: usize = 35;

/// A language that the pages speak. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Locale(pub(super) Arc<Catalogue>);

impl Locale {
    /// BCP 47, for `Content-Language` and `lang`.
    pub fn tag(&self) -> &str {
        &self.0.tag
    }

    /// What the language calls itself.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// A sentence of the catalogue, as plain text.
    pub(super) fn say(&self, key: &str) -> Option<String> {
        self.0.say(key)
    }
}

/// The languages that pages come in.
pub(super) struct Languages {
    spoken: Vec<Locale>,
    /// English as it is in the program: it has every sentence.
    english: Locale,
    /// What people get whose own language is not among ours.
    fallback: Option<Locale>,
}

impl Languages {
    /// # Errors
    /// None with the catalogue as tested.
    pub(super) fn new() -> Result<Self, Vec<CatalogueError>> {
        let english = Catalogue::parse("en", include_str!("../../templates/locale/en.toml"), None)?;
        Ok(Self { spoken: Vec::new(), english: Locale(Arc::new(english)), fallback: None })
    }

    /// Adds a language from `text`, on top of the file that it replaces, on top of English. What can't be used is left out.
    ///
    /// # Errors
    /// All that is wrong with the tag or the file.
    pub(super) fn add(&mut self, tag: &str, text: &str, replaced: Option<&str>) -> Result<(), Vec<CatalogueError>> {
        if !is_tag(tag) {
            let reason = format!("`{tag}` is not a language tag (like de or pt-BR)");
            return Err(vec![CatalogueError { line: None, reason }]);
        }
        let mut catalogue = self.english.0.clone();
        let mut errors = Vec::new();
        for text in replaced.into_iter().chain([text]) {
            match Catalogue::parse(tag, text, Some(&catalogue)) {
                Ok(better) => catalogue = Arc::new(better),
                Err(wrong) => errors.extend(wrong),
            }
        }
        if catalogue.tag == tag {
            self.spoken.push(Locale(catalogue));
        }
        if errors.is_empty() { Ok(()) } else { Err(errors) }
    }

    pub(super) fn spoken(&self) -> &[Locale] {
        &self.spoken
    }

    /// What people get whose own language is not among ours.
    pub(super) fn fallback(&self) -> &Locale {
        self.fallback.as_ref().unwrap_or_else(|| self.english())
    }

    /// Makes another language than English the fallback; `false` when it isn't spoken.
    pub(super) fn fall_back_to(&mut self, tag: &str) -> bool {
        let found = self.spoken.iter().find(|locale| locale.tag().eq_ignore_ascii_case(tag)).cloned();
        let spoken = found.is_some();
        self.fallback = found.or(self.fallback.take());
        spoken
    }

    /// English, with what replaces it.
    fn english(&self) -> &Locale {
        self.spoken.iter().find(|locale| locale.tag() == self.english.tag()).unwrap_or(&self.english)
    }

    /// By lookup (RFC 4647 section 3.4): each wish in its order, shortened from its end until something fits.
    /// `ui_locales` is the parameter of OpenID Connect Core section 3.1.2.1, `accept_language` the header of RFC 9110
    /// section 12.5.4; between them is what the person chose here before. What is not well-formed is passed over.
    pub(super) fn choose(
        &self,
        ui_locales: Option<&str>,
        chosen: Option<&str>,
        accept_language: Option<&str>,
    ) -> &Locale {
        let asked = ui_locales.unwrap_or_default().split_ascii_whitespace().take(MAX_RANGES);
        let preferred = by_quality(accept_language.unwrap_or_default());
        asked
            .chain(chosen)
            .chain(preferred)
            .find_map(|range| look_up(&self.spoken, range))
            .unwrap_or_else(|| self.fallback())
    }
}

fn is_tag(text: &str) -> bool {
    !text.is_empty() && text.len() <= MAX_TAG && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

fn look_up<'a>(spoken: &'a [Locale], mut range: &str) -> Option<&'a Locale> {
    if !is_tag(range) {
        return None;
    }
    loop {
        if let Some(locale) = spoken.iter().find(|locale| locale.tag().eq_ignore_ascii_case(range)) {
            return Some(locale);
        }
        // A single letter announces what follows it, so it goes along with it.
        range = range.rsplit_once('-')?.0;
        if let Some((rest, last)) = range.rsplit_once('-')
            && last.len() == 1
        {
            range = rest;
        }
    }
}

/// The ranges of an `Accept-Language` header, the dearest first, equals in their order, refused ones (`q=0`) left out.
fn by_quality(header: &str) -> impl Iterator<Item = &str> {
    let mut ranges: Vec<(&str, u16)> = header
        .split(',')
        .take(MAX_RANGES)
        .filter_map(|part| {
            let (range, parameters) = part.split_once(';').unwrap_or((part, ""));
            let quality = match parameters.trim().strip_prefix("q=") {
                Some(text) => thousandths(text)?,
                None if parameters.trim().is_empty() => 1000,
                None => return None,
            };
            (quality > 0).then_some((range.trim(), quality))
        })
        .collect();
    ranges.sort_by_key(|&(_, quality)| std::cmp::Reverse(quality));
    ranges.into_iter().map(|(range, _)| range)
}

/// A `qvalue` (RFC 9110 section 12.4.2): `0` to `1` with up to three decimals.
fn thousandths(text: &str) -> Option<u16> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    if decimals.len() > 3 || !decimals.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let part = format!("{decimals:0<3}").parse().ok()?;
    match whole {
        "0" => Some(part),
        "1" if part == 0 => Some(1000),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choose(ui_locales: &str, accept_language: &str) -> String {
        choose_after(ui_locales, None, accept_language)
    }

    fn choose_after(ui_locales: &str, chosen: Option<&str>, accept_language: &str) -> String {
        let spoken = ["en", "de", "pt", "pt-BR", "zh-Hant"]
            .map(|tag| Locale(Arc::new(Catalogue::parse(tag, "direction = \"ltr\"", None).unwrap())))
            .to_vec();
        let languages = Languages { spoken, ..Languages::new().unwrap() };
        languages.choose(Some(ui_locales), chosen, Some(accept_language)).tag().to_owned()
    }

    #[test]
    fn rfc4647_3_4_a_wish_is_shortened_until_it_fits() {
        assert_eq!(choose("de-CH-1996", ""), "de");
        assert_eq!(choose("DE", ""), "de");
        assert_eq!(choose("pt-br", ""), "pt-BR");
        assert_eq!(choose("pt-PT", ""), "pt");
        assert_eq!(choose("zh-Hant-CN-x-private1", ""), "zh-Hant");
        assert_eq!(choose("zh", ""), "en", "a wish is never made longer");
        assert_eq!(choose("x-de", ""), "en");
    }

    #[test]
    fn oidc_core_3_1_2_1_ui_locales_come_before_the_browser() {
        assert_eq!(choose("xx de", "pt"), "de");
        assert_eq!(choose("xx", "pt"), "pt");
        assert_eq!(choose("", ""), "en");
    }

    #[test]
    fn what_was_chosen_here_comes_between_the_client_and_the_browser() {
        assert_eq!(choose_after("", Some("de"), "pt"), "de");
        assert_eq!(choose_after("pt", Some("de"), "en"), "pt");
        assert_eq!(choose_after("xx", Some("de"), "pt"), "de");
        assert_eq!(choose_after("", Some("../de"), "pt"), "pt", "nothing that somebody made up");
    }

    #[test]
    fn rfc9110_12_5_4_the_browsers_wishes_are_weighed() {
        assert_eq!(choose("", "en;q=0.5, de;q=0.8, *;q=0.1"), "de");
        assert_eq!(choose("", "xx, pt-BR ;q=0.9"), "pt-BR");
        assert_eq!(choose("", "pt, de"), "pt", "equals in their order");
        assert_eq!(choose("", "de;q=0, pt;q=0.001"), "pt", "zero means no");
        assert_eq!(choose("", "de;q=2, pt;q=x, en;level=1"), "en", "malformed weights are passed over");
    }

    #[test]
    fn hostile_wishes_are_bounded() {
        let long = "x-".repeat(50_000);
        assert_eq!(choose(&long, &long), "en");
        let many = "xx,".repeat(50_000) + "de";
        assert_eq!(choose(&many, &many), "en");
        assert_eq!(choose("de\u{0}", "dé, <script>, -, --, ;q="), "en");
    }
}
