//! How long codes and tokens may live, in seconds: the bounds of the settings, and of what a client has instead.

use std::ops::RangeInclusive;

const HOUR: u64 = 60 * 60;
const DAY: u64 = 24 * HOUR;

/// An authorization code. RFC 6749 section 4.1.2 recommends 10 minutes at most.
pub const CODE: RangeInclusive<u64> = 1..=HOUR;
/// An access token.
pub const ACCESS_TOKEN: RangeInclusive<u64> = 1..=30 * DAY;
/// An ID token.
pub const ID_TOKEN: RangeInclusive<u64> = 1..=30 * DAY;
/// A refresh token that is not used, and one with all its successors.
pub const REFRESH_TOKEN: RangeInclusive<u64> = 1..=3650 * DAY;
