//! The files of the live page, embedded in the program.

use std::sync::Arc;

use axum::{Router, http::header, routing::get};

use super::site::Site;

const HTML: &str = "text/html; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";
const JSON: &str = "application/json";

const ICON: &str = "image/svg+xml";

/// Path, type and content of each file.
const FILES: [(&str, &str, &str); 17] = [
    ("/", HTML, include_str!("page/index.html")),
    ("/icon.svg", ICON, include_str!("page/icon.svg")),
    ("/page.css", STYLE, include_str!("page/page.css")),
    ("/page.js", SCRIPT, include_str!("page/page.js")),
    ("/advice.js", SCRIPT, include_str!("page/advice.js")),
    ("/aim.js", SCRIPT, include_str!("page/aim.js")),
    ("/circumplex.js", SCRIPT, include_str!("page/circumplex.js")),
    ("/connection.js", SCRIPT, include_str!("page/connection.js")),
    ("/dom.js", SCRIPT, include_str!("page/dom.js")),
    ("/faces.js", SCRIPT, include_str!("page/faces.js")),
    ("/gauges.js", SCRIPT, include_str!("page/gauges.js")),
    ("/minute.js", SCRIPT, include_str!("page/minute.js")),
    ("/outlines.js", SCRIPT, include_str!("page/outlines.js")),
    ("/panels.js", SCRIPT, include_str!("page/panels.js")),
    ("/privacy.js", SCRIPT, include_str!("page/privacy.js")),
    ("/texts.js", SCRIPT, include_str!("page/texts.js")),
    ("/texts/en.json", JSON, include_str!("page/texts/en.json")),
];

/// Whether the path is that of one of the files, which contain nothing specific to this device.
#[must_use]
pub fn is_file(path: &str) -> bool {
    FILES.iter().any(|(file, ..)| *file == path)
}

/// A route for each file.
pub fn routes() -> Router<Arc<Site>> {
    FILES
        .into_iter()
        .fold(Router::new(), |router, (path, kind, content)| {
            router.route(
                path,
                get(move || async move { ([(header::CONTENT_TYPE, kind)], content) }),
            )
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_is_small_and_self_contained() {
        let bytes = |is_counted: fn(&str) -> bool| -> usize {
            let counted = FILES.iter().filter(|(path, ..)| is_counted(path));
            counted.map(|(_, _, content)| content.len()).sum()
        };
        // A browser loads the texts of one language.
        let page = bytes(|path| !path.starts_with("/texts/"));
        let texts = bytes(|path| path == "/texts/en.json");
        assert!(page < 60_000, "{page} bytes");
        assert!(texts < 12_000, "{texts} bytes");
        for (path, _, content) in FILES {
            assert!(
                !content.contains("https:") && !content.contains("//cdn"),
                "{path}"
            );
        }
    }
}
