//! Logos: small images that clients bring along.

use minicbor::{Decode, Encode};

/// Larger ones are refused, in bytes: a logo is kept, and cached, with its client.
pub const MAX_LOGO: usize = 64 * 1024;

/// Formats that browsers show and that can't carry scripts, which rules SVG out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum ImageFormat {
    /// Portable Network Graphics.
    #[n(0)]
    Png,
    /// JPEG.
    #[n(1)]
    Jpeg,
    /// WebP.
    #[n(2)]
    Webp,
}

impl ImageFormat {
    /// For `Content-Type`.
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Png => "image/png",
            Self::Jpeg => "image/jpeg",
            Self::Webp => "image/webp",
        }
    }

    /// By the first bytes, whatever the file is called.
    fn of(bytes: &[u8]) -> Option<Self> {
        if bytes.starts_with(b"\x89PNG\r\n\x1a\n") {
            Some(Self::Png)
        } else if bytes.starts_with(&[0xff, 0xd8, 0xff]) {
            Some(Self::Jpeg)
        } else if bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WEBP") {
            Some(Self::Webp)
        } else {
            None
        }
    }
}

/// An image that is kept with its client.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Logo {
    /// What it is.
    #[n(0)]
    pub format: ImageFormat,
    /// The file.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub bytes: Vec<u8>,
}

impl Logo {
    /// Takes the file of an image.
    ///
    /// # Errors
    /// What is wrong with it, in a few words.
    pub fn new(bytes: Vec<u8>) -> Result<Self, &'static str> {
        if bytes.len() > MAX_LOGO {
            return Err("larger than 64 KiB");
        }
        let format = ImageFormat::of(&bytes).ok_or("neither PNG nor JPEG nor WebP")?;
        Ok(Self { format, bytes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_logo_is_known_by_its_first_bytes_and_bounded() {
        assert_eq!(Logo::new(b"\x89PNG\r\n\x1a\nrest".to_vec()).unwrap().format, ImageFormat::Png);
        assert_eq!(Logo::new(vec![0xff, 0xd8, 0xff, 0xe0]).unwrap().format, ImageFormat::Jpeg);
        assert_eq!(Logo::new(b"RIFF\0\0\0\0WEBPVP8 ".to_vec()).unwrap().format, ImageFormat::Webp);
        for bad in [&b""[..], b"<svg onload=alert(1)>", b"RIFF\0\0\0\0WAVE", b"GIF89a"] {
            assert!(Logo::new(bad.to_vec()).is_err());
        }
        let mut large = b"\x89PNG\r\n\x1a\n".to_vec();
        large.resize(MAX_LOGO + 1, 0);
        assert_eq!(Logo::new(large), Err("larger than 64 KiB"));
    }
}
