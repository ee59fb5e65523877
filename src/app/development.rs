//! What a provider for development does otherwise. None of it is ever in force under `serve`.

/// The differences that endpoints and pages have to know.
#[derive(Clone, Debug)]
pub struct Development {
    /// The redirect URI of the playground, which every client may use beside its own.
    pub playground: String,
}
