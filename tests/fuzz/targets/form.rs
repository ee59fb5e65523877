//! `base::form`: whatever arrives as a query or a body is read as others read it, or refused; what is rendered is read back.
#![no_main]

use std::collections::HashSet;

use hallpass::base::form::{Form, FormError, MAX_PARAMETERS, decode, render};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    agrees_with_another_reader(data);
    comes_back(data);
});

/// `url`'s reader takes everything; ours refuses what is not text and what is too much, and otherwise sees the same.
fn agrees_with_another_reader(data: &[u8]) {
    let theirs: Vec<(String, String)> =
        url::form_urlencoded::parse(data).map(|(name, value)| (name.into_owned(), value.into_owned())).collect();
    let form = match Form::parse(data) {
        Ok(form) => form,
        Err(FormError::TooMany) => {
            assert!(theirs.len() > MAX_PARAMETERS);
            return;
        }
        Err(FormError::Encoding) => {
            // Their reader puts U+FFFD where the bytes are no text.
            let odd = |text: &str| text.contains(['\0', '\u{fffd}']);
            assert!(theirs.iter().any(|(name, value)| odd(name) || odd(value)), "refused without a reason");
            return;
        }
    };
    let ours: Vec<(&str, &str)> = form.iter().collect();
    assert!(ours.iter().copied().eq(theirs.iter().map(|(name, value)| (name.as_str(), value.as_str()))));
    assert!(ours.len() <= MAX_PARAMETERS);
    assert!(ours.iter().all(|(name, value)| !name.contains('\0') && !value.contains('\0')));

    // RFC 6749 section 3.1: no repetition goes unnoticed.
    let mut seen = HashSet::new();
    let first_repeated = ours.iter().map(|(name, _)| *name).find(|name| !seen.insert(*name));
    assert_eq!(form.repeated(), first_repeated);
    for (name, _) in &ours {
        let first = ours.iter().find(|(other, _)| other == name).map(|(_, value)| *value);
        assert_eq!(form.repeats(name), ours.iter().filter(|(other, _)| other == name).count() > 1);
        assert_eq!(form.sent(name), first);
        assert_eq!(form.get(name), first.filter(|value| !value.is_empty()));
    }

    // One spelling for what was read: it reads back as the same, and so does that once more.
    let rendered = render(ours.iter().copied());
    assert!(rendered.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'+' && byte != b'#'));
    assert!(Form::parse(rendered.as_bytes()).is_ok_and(|again| again == form));
}

/// The input as names and values in turn, with 0xFF between.
fn comes_back(data: &[u8]) {
    let texts: Vec<String> =
        data.split(|byte| *byte == 0xff).map(|text| String::from_utf8_lossy(text).replace('\0', "")).collect();
    let pairs: Vec<(&str, &str)> =
        texts.chunks(2).map(|pair| (pair[0].as_str(), pair.get(1).map_or("", String::as_str))).collect();
    let rendered = render(pairs.iter().copied());
    match Form::parse(rendered.as_bytes()) {
        Ok(form) => assert!(form.iter().eq(pairs.iter().copied())),
        Err(error) => assert!(error == FormError::TooMany && pairs.len() > MAX_PARAMETERS),
    }
    for (name, _) in pairs {
        assert!(decode(name.replace('%', "%25").replace('+', "%2B").as_bytes()).is_ok_and(|decoded| decoded == name));
    }
}
