//! Progress bars for commands that take a while.

use std::io::{self, IsTerminal as _};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// A progress bar of `length` steps on standard error, hidden if that is not a terminal. `template` is one of
/// [`ProgressStyle::with_template`].
#[must_use]
pub fn progress(length: u64, template: &str) -> ProgressBar {
    let target = if io::stderr().is_terminal() {
        ProgressDrawTarget::stderr()
    } else {
        ProgressDrawTarget::hidden()
    };
    let bar = ProgressBar::with_draw_target(Some(length), target);
    // Every template in this program is valid; with an invalid one the bar has its default style.
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar
}
