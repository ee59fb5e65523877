//! Writes every sample of every page in every language to a directory, with the assets that they refer to and an
//! `index.json` that tells the name, language and `Content-Security-Policy` of each: for tests in browsers, and for looking
//! at.
//!
//! ```text
//! cargo run --example pages -- DIRECTORY [TEMPLATES]
//! ```

use std::error::Error;
use std::fs;
use std::path::PathBuf;

use hallpass::page::{Frame, Pages, accent_sheet};
use serde_json::json;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let directory = arguments.next().ok_or("which directory?")?;
    let overrides = arguments.next();
    let frame = Frame {
        product: "Meadow Login".to_owned(),
        banner: Some("For development only: not for real users.".to_owned()),
        ..Frame::default()
    };
    let pages = Pages::new(&frame, overrides.as_deref())?;

    fs::create_dir_all(directory.join("asset"))?;
    fs::create_dir_all(directory.join("accent"))?;
    for asset in pages.assets() {
        fs::write(directory.join("asset").join(&asset.name), &asset.bytes)?;
    }
    if let Some(sheet) = accent_sheet("ffb300.css") {
        fs::write(directory.join("accent").join(&sheet.name), &sheet.bytes)?;
    }
    let mut index = Vec::new();
    let languages: Vec<String> = pages.languages().map(ToOwned::to_owned).collect();
    for locale in languages.iter().filter_map(|tag| pages.language(tag)) {
        for page in pages.samples(locale)? {
            let file = format!("{}.{}.html", page.name, locale.tag());
            fs::write(directory.join(&file), page.html)?;
            index.push(json!({ "name": page.name, "language": locale.tag(), "file": file, "policy": page.policy }));
        }
    }
    fs::write(directory.join("index.json"), serde_json::to_vec_pretty(&index)?)?;
    Ok(())
}
