//! How a record stands in a row: one byte of version, then CBOR (RFC 8949).
//!
//! Records are arrays of numbered fields. A new field takes the next number and is optional, and readers skip numbers that they
//! don't know; so releases can read each other's rows, and the version stays what it is. It moves on only when old readers
//! must not touch the new rows.

use std::convert::Infallible;

use minicbor::{Decode, Encode};

use super::fault::Fault;

const VERSION: u8 = 1;

/// Record to row.
pub(super) fn encode<R: Encode<()>>(record: &R) -> Result<Vec<u8>, Fault> {
    let mut row = vec![VERSION];
    let written: Result<(), minicbor::encode::Error<Infallible>> = minicbor::encode(record, &mut row);
    written.map_err(|error| Fault::Corrupt(format!("a record can't be written: {error}")))?;
    Ok(row)
}

/// Row to record.
pub(super) fn decode<R: for<'b> Decode<'b, ()>>(row: &[u8]) -> Result<R, Fault> {
    match row.split_first() {
        Some((&VERSION, record)) => {
            minicbor::decode(record).map_err(|error| Fault::Corrupt(format!("a row can't be read: {error}")))
        }
        Some((&version, _)) if version > VERSION => Err(Fault::Newer),
        Some(_) | None => Err(Fault::Corrupt("a row has no version".into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::Timestamp;
    use crate::base::random::Random;
    use crate::base::secret::Digest;
    use crate::model::grant::AccessToken;
    use crate::model::id::{AccessTokenId, GrantId, Id};
    use crate::model::scope::Scope;

    fn token() -> AccessToken {
        let id = Id::mint(Timestamp::from_secs(2), &Random::seeded("codec"));
        AccessToken {
            id: AccessTokenId(id),
            digest: Digest::of(b"x"),
            grant: GrantId(id),
            scope: Scope::parse("openid"),
            issued_at: Timestamp::from_secs(1),
            expires_at: Timestamp::from_secs(2),
            granted: None,
        }
    }

    #[test]
    fn fields_of_a_later_release_are_skipped() {
        let mut row = encode(&token()).unwrap();
        assert_eq!(row[..2], [VERSION, 0x86], "an array of six fields");
        row[1] = 0x89;
        row.push(0xf6); // null: what is the seventh today
        row.extend_from_slice(&[0x82, 0x01, 0x61, b'x']); // [1, "x"]
        row.push(0xf5); // true
        let read: AccessToken = decode(&row).unwrap();
        assert_eq!((read.id, read.expires_at), (token().id, token().expires_at));
    }

    #[test]
    fn a_row_that_an_old_reader_must_not_touch_says_so() {
        let mut row = encode(&token()).unwrap();
        row[0] = VERSION + 1;
        assert!(matches!(decode::<AccessToken>(&row), Err(Fault::Newer)));
    }

    #[test]
    fn damage_is_an_error() {
        let row = encode(&token()).unwrap();
        for end in 0..row.len() {
            assert!(matches!(decode::<AccessToken>(&row[..end]), Err(Fault::Corrupt(_))), "cut off at {end}");
        }
    }
}
