//! The hashes that tie an ID token to what it came with.

use sha2::{Digest, Sha256};

use super::alg::Algorithm;
use crate::base::encode::base64url;

/// `at_hash` of an access token or `c_hash` of a code: base64url of the left-most half of the value's hash, by the hash
/// function of the algorithm that signs the ID token (OpenID Connect Core sections 3.1.3.6 and 3.3.2.11).
pub fn left_half_hash(algorithm: Algorithm, value: &str) -> String {
    let digest = match algorithm {
        Algorithm::Rs256 | Algorithm::Hs256 => Sha256::digest(value.as_bytes()),
    };
    let (left, _) = digest.split_at(digest.len() / 2);
    base64url(left)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn oidc_core_appendix_a_at_hash_and_c_hash() {
        let token = "jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y";
        let code = "Qcb0Orv1zh30vL1MPRsbm-diHiMwcLyZvn1arpZv-Jxf_11jnpEX3Tgfvk";
        assert_eq!(left_half_hash(Algorithm::Rs256, token), "77QmUPtjPfzWtF2AnpK9RQ");
        assert_eq!(left_half_hash(Algorithm::Rs256, code), "LDktKdoQak3Pk0cnXxCltA");
        assert_eq!(left_half_hash(Algorithm::Hs256, token), "77QmUPtjPfzWtF2AnpK9RQ");
    }
}
