//! Clock, random, encodings, secrets, forms, URIs: knows no OpenID Connect.
pub mod clock;
pub mod color;
pub mod encode;
pub mod form;
pub mod nearest;
pub mod network;
pub mod period;
pub mod random;
pub mod request_id;
pub mod secret;
pub mod uri;
