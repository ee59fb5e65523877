//! Style sheets, scripts and images that pages refer to.

use bytes::Bytes;
use sha2::{Digest, Sha256};

use crate::base::encode::base64url;

/// A static file. Its address carries its version, so that it can be cached for ever.
#[derive(Clone, Debug)]
pub struct Asset {
    /// The file's name: the address is `{base}/asset/{name}?v={version}`.
    pub name: String,
    /// For the header of the same name.
    pub content_type: &'static str,
    /// The file.
    pub bytes: Bytes,
    /// Twelve bytes of its SHA-256 in base64url: changes whenever the file does.
    pub version: String,
}

impl Asset {
    /// `None` for a kind of file that pages have no use for.
    pub(super) fn new(name: &str, bytes: Bytes) -> Option<Self> {
        let content_type = content_type(name)?;
        let digest = Sha256::digest(&bytes);
        let version = base64url(digest.get(..12).unwrap_or_default());
        Some(Self { name: name.to_owned(), content_type, bytes, version })
    }

    /// A strong entity tag (RFC 9110 section 8.8.3).
    pub fn etag(&self) -> String {
        format!("\"{}\"", self.version)
    }

    /// `Cache-Control` for a request that asked for `version`: only what names its version may be kept without asking
    /// again (RFC 8246).
    pub fn cache_control(&self, version: Option<&str>) -> &'static str {
        if version == Some(self.version.as_str()) { "public, max-age=31536000, immutable" } else { "no-cache" }
    }
}

/// By the name's ending.
fn content_type(name: &str) -> Option<&'static str> {
    let (_, ending) = name.rsplit_once('.')?;
    Some(match ending {
        "css" => "text/css; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "webp" => "image/webp",
        "avif" => "image/avif",
        "gif" => "image/gif",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc8246_only_a_named_version_is_immutable() {
        let one = Asset::new("a.css", Bytes::from_static(b"a{}")).unwrap();
        let two = Asset::new("a.css", Bytes::from_static(b"b{}")).unwrap();
        assert_ne!(one.version, two.version);
        assert_eq!(one.etag(), format!("\"{}\"", one.version));
        assert!(one.cache_control(Some(&one.version)).contains("immutable"));
        assert_eq!(one.cache_control(Some(&two.version)), "no-cache");
        assert_eq!(one.cache_control(None), "no-cache");
        assert!(Asset::new("a.exe", Bytes::new()).is_none());
    }
}
