//! The provider for development: what `hallpass dev` has beyond `hallpass serve`.

/// The id of the playground's own client: confidential, and asks for no consent.
pub const PLAYGROUND: &str = "playground";

/// Where the playground takes the answers of its authorization requests, below the issuer.
pub const PLAYGROUND_CALLBACK: &str = "/playground/callback";
