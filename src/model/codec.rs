//! How the types of the floors below stand in a row (CBOR, RFC 8949). Rows are arrays of numbered fields: a reader skips
//! fields that it doesn't know, and a field that came later is optional, so that rows outlive releases both ways.

use minicbor::decode::{Decoder, Error as DecodeError};
use minicbor::encode::{Encoder, Error as EncodeError, Write};
use minicbor::{Decode, Encode};

use super::id::{AccessTokenId, ClientId, CodeId, EventId, GrantId, Id, KeyId, RefreshTokenId, SessionId, UserId};
use super::scope::Scope;
use crate::base::clock::Timestamp;
use crate::base::color::Color;
use crate::base::secret::Digest;
use crate::jose::jwk::PublicKey;

impl<C> Encode<C> for Timestamp {
    fn encode<W: Write>(&self, e: &mut Encoder<W>, _: &mut C) -> Result<(), EncodeError<W::Error>> {
        e.u64(self.as_millis())?.ok()
    }
}

impl<'b, C> Decode<'b, C> for Timestamp {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, DecodeError> {
        d.u64().map(Self::from_millis)
    }
}

fn fixed<const N: usize>(d: &mut Decoder<'_>) -> Result<[u8; N], DecodeError> {
    d.bytes()?.try_into().map_err(|_| DecodeError::message("a byte string of another length"))
}

impl<C> Encode<C> for Color {
    fn encode<W: Write>(&self, e: &mut Encoder<W>, _: &mut C) -> Result<(), EncodeError<W::Error>> {
        e.bytes(&self.0)?.ok()
    }
}

impl<'b, C> Decode<'b, C> for Color {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, DecodeError> {
        fixed(d).map(Self)
    }
}

impl<C> Encode<C> for Digest {
    fn encode<W: Write>(&self, e: &mut Encoder<W>, _: &mut C) -> Result<(), EncodeError<W::Error>> {
        e.bytes(self.as_bytes())?.ok()
    }
}

impl<'b, C> Decode<'b, C> for Digest {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, DecodeError> {
        fixed(d).map(Self::from_bytes)
    }
}

/// Modulus and exponent, big-endian.
impl<C> Encode<C> for PublicKey {
    fn encode<W: Write>(&self, e: &mut Encoder<W>, _: &mut C) -> Result<(), EncodeError<W::Error>> {
        e.array(2)?.bytes(self.modulus())?.bytes(self.exponent())?.ok()
    }
}

impl<'b, C> Decode<'b, C> for PublicKey {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, DecodeError> {
        if d.array()? != Some(2) {
            return Err(DecodeError::message("a public key has two numbers"));
        }
        Self::rsa(d.bytes()?, d.bytes()?).map_err(|_| DecodeError::message("not a public key"))
    }
}

macro_rules! row_ids {
    ($($name:ident)*) => {$(
        impl<C> Encode<C> for $name {
            fn encode<W: Write>(&self, e: &mut Encoder<W>, _: &mut C) -> Result<(), EncodeError<W::Error>> {
                e.bytes(self.0.as_bytes())?.ok()
            }
        }

        impl<'b, C> Decode<'b, C> for $name {
            fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, DecodeError> {
                fixed(d).map(|bytes| Self(Id::from_bytes(bytes)))
            }
        }
    )*};
}

row_ids! { CodeId GrantId AccessTokenId RefreshTokenId SessionId EventId }

macro_rules! text_ids {
    ($($name:ident)*) => {$(
        impl<C> Encode<C> for $name {
            fn encode<W: Write>(&self, e: &mut Encoder<W>, _: &mut C) -> Result<(), EncodeError<W::Error>> {
                e.str(self.as_str())?.ok()
            }
        }

        impl<'b, C> Decode<'b, C> for $name {
            fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, DecodeError> {
                d.str().map(Self::new)
            }
        }
    )*};
}

text_ids! { ClientId UserId KeyId }

impl<C> Encode<C> for Scope {
    fn encode<W: Write>(&self, e: &mut Encoder<W>, _: &mut C) -> Result<(), EncodeError<W::Error>> {
        e.str(&self.to_string())?.ok()
    }
}

impl<'b, C> Decode<'b, C> for Scope {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, DecodeError> {
        d.str().map(Self::parse)
    }
}

/// A value that stands as its wire name: `#[cbor(with = "codec::name")]`.
macro_rules! by_name {
    ($module:ident, $type:ty) => {
        pub(super) mod $module {
            use super::*;

            pub(in crate::model) fn encode<C, W: Write>(
                value: &$type,
                e: &mut Encoder<W>,
                _: &mut C,
            ) -> Result<(), EncodeError<W::Error>> {
                e.str(value.name())?.ok()
            }

            pub(in crate::model) fn decode<C>(d: &mut Decoder<'_>, _: &mut C) -> Result<$type, DecodeError> {
                <$type>::parse(d.str()?).ok_or_else(|| DecodeError::message(concat!("unknown ", stringify!($module))))
            }
        }
    };
}

by_name!(algorithm, crate::jose::alg::Algorithm);
by_name!(event_kind, super::super::event::EventKind);

/// A JSON object that stands as its text.
pub(super) mod json {
    use super::*;
    use serde_json::{Map, Value};

    pub(in crate::model) fn encode<C, W: Write>(
        value: &Map<String, Value>,
        e: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), EncodeError<W::Error>> {
        let text = serde_json::to_string(value).map_err(|_| EncodeError::message("not JSON"))?;
        e.str(&text)?.ok()
    }

    pub(in crate::model) fn decode<C>(d: &mut Decoder<'_>, _: &mut C) -> Result<Map<String, Value>, DecodeError> {
        serde_json::from_str(d.str()?).map_err(|_| DecodeError::message("not a JSON object"))
    }
}

/// On whose behalf: the address, and the request's id, each as its text or null.
pub(super) mod origin {
    use super::*;
    use crate::base::request_id::RequestId;
    use crate::model::event::Origin;

    pub(in crate::model) fn encode<C, W: Write>(
        origin: &Origin,
        e: &mut Encoder<W>,
        c: &mut C,
    ) -> Result<(), EncodeError<W::Error>> {
        let address = origin.address.map(|address| address.to_string());
        (address, origin.request.as_ref().map(RequestId::as_str)).encode(e, c)
    }

    pub(in crate::model) fn decode<C>(d: &mut Decoder<'_>, c: &mut C) -> Result<Origin, DecodeError> {
        let (address, request): (Option<&str>, Option<&str>) = Decode::decode(d, c)?;
        let no_origin = || DecodeError::message("not an origin");
        Ok(Origin {
            address: address.map(|text| text.parse().map_err(|_| no_origin())).transpose()?,
            request: request.map(|text| RequestId::parse(text).ok_or_else(no_origin)).transpose()?,
        })
    }
}
