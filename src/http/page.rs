//! The files of the live page, which are part of the program.

use std::sync::Arc;

use axum::{Router, http::header, routing::get};

use super::routes::Site;

const HTML: &str = "text/html; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";
const JSON: &str = "application/json";

/// Path, type and content of each file.
const FILES: [(&str, &str, &str); 4] = [
    ("/", HTML, include_str!("page/index.html")),
    ("/page.js", SCRIPT, include_str!("page/page.js")),
    ("/page.css", STYLE, include_str!("page/page.css")),
    ("/texts/en.json", JSON, include_str!("page/texts/en.json")),
];

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
    fn the_page_is_small_and_has_nothing_of_others() {
        let bytes: usize = FILES.iter().map(|(_, _, content)| content.len()).sum();
        assert!(bytes < 60_000, "{bytes} bytes");
        for (path, _, content) in FILES {
            assert!(
                !content.contains("https:") && !content.contains("//cdn"),
                "{path}"
            );
        }
    }
}
