//! The dashboard as part of the program: its pages, as the build made them from `dashboard/`.
//!
//! Where the build could not make them, there is one page that says why and what to do.

use std::path::Path;

include!(concat!(env!("OUT_DIR"), "/files.rs"));

/// A file as it was embedded.
struct File {
    path: &'static str,
    bytes: &'static [u8],
    gzip: Option<&'static [u8]>,
    etag: &'static str,
}

/// A file of the dashboard.
#[derive(Clone, Copy, Debug)]
pub struct Asset {
    /// What it holds.
    pub bytes: &'static [u8],
    /// The same, compressed by gzip, where that is worth it.
    pub gzip: Option<&'static [u8]>,
    /// What it is, as in the header `Content-Type`.
    pub content_type: &'static str,
    /// A weak entity tag, of both forms.
    pub etag: &'static str,
    /// Whether its name changes with what it holds, so that it may be kept for ever.
    pub is_immutable: bool,
}

/// The file at `path`, which is relative to where the pages stand; the empty path is the first page.
#[must_use]
pub fn asset(path: &str) -> Option<Asset> {
    let path = if path.is_empty() { "index.html" } else { path };
    let place = FILES.binary_search_by(|file| file.path.cmp(path)).ok()?;
    let File { path, bytes, gzip, etag } = FILES[place];
    let is_immutable = path.starts_with("assets/");
    Some(Asset { bytes, gzip, content_type: content_type(path), etag, is_immutable })
}

/// Whether there are pages beyond the one that says why there are none.
#[must_use]
pub const fn is_built() -> bool {
    IS_BUILT
}

fn content_type(path: &str) -> &'static str {
    match Path::new(path).extension().and_then(|extension| extension.to_str()) {
        Some("html") => "text/html; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("json") => "application/json",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("woff2") => "font/woff2",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_page_is_there_whatever_was_built() {
        let page = asset("").expect("a first page");
        assert_eq!(asset("index.html").map(|page| page.etag), Some(page.etag));
        assert_eq!(page.content_type, "text/html; charset=utf-8");
        assert!(!page.is_immutable);
        assert!(page.etag.starts_with("W/\""));
        let text = str::from_utf8(page.bytes).expect("UTF-8");
        assert_eq!(text.contains("built without its dashboard"), !is_built());
    }

    #[test]
    fn every_file_is_found_and_has_a_type() {
        for file in FILES {
            let asset = asset(file.path).expect("it is listed");
            assert_eq!(asset.bytes, file.bytes, "{}", file.path);
            assert_ne!(asset.content_type, "application/octet-stream", "{}", file.path);
        }
        assert!(asset("nothing").is_none());
        assert!(asset("../Cargo.toml").is_none());
    }

    #[test]
    fn what_the_first_page_loads_may_be_kept_for_ever() {
        let page = str::from_utf8(asset("").expect("a first page").bytes).expect("UTF-8");
        let loaded: Vec<_> =
            page.split('"').filter_map(|part| part.strip_prefix("./assets/")).collect();
        assert_eq!(loaded.is_empty(), !is_built());
        for name in loaded {
            let asset = asset(&format!("assets/{name}")).expect("it is built with the page");
            assert!(asset.is_immutable);
            assert_eq!(asset.gzip.map(|bytes| &bytes[..2]), Some(&[0x1f, 0x8b][..]), "{name}");
        }
    }
}
